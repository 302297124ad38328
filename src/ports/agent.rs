//! What carries out agents, as the executor sees it.
