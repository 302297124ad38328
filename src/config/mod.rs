//! Where settings and files come from: folders, environment names, user files.
