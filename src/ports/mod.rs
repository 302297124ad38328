//! The few traits between decisions and the outside, with the plain data they carry.
//! Owns no behaviour.

pub mod agent;
pub mod pace;
pub mod price;
pub mod route;
pub mod script;
pub mod stop;
