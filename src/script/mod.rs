//! Runs workflow scripts. The only module that names QuickJS; script text is parsed and run only in a child process.
