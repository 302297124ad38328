//! What agents really use. Owns the priors and how an agent's requests are drawn from them; knows no prices.
