#!/bin/sh
# Asks flyball about what Claude Code is about to start. Claude Code goes ahead after every exit code
# but 2, a missing program included, so whatever goes wrong here ends with 2.
if ! command -v flyball >/dev/null 2>&1; then
  echo "flyball is not in PATH, so this launch cannot be checked and is blocked." \
    "The user can install it, with \`cargo install --path .\` in flyball's repository," \
    "or switch the check off: claude plugin disable flyball@flyball" >&2
  exit 2
fi
flyball hook pre-tool-use || exit 2
