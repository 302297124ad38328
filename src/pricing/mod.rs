//! Prices of models over time. Owns rates, tiers, periods, aliases and fees; knows no run.
