//! Executes a plan under its budget. Decides nothing that the plan or the policy decided.
