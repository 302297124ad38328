//! Facts of a workflow script that need no execution. The only module that names the JavaScript parser.
