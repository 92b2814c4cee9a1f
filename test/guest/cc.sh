#!/bin/bash
# The C compiler of the guest: gives the program that was compiled on the host from a source of that name.
while [ $# -gt 0 ]; do
  case $1 in
    -o) program=$2 && shift ;;
    *.c) source=$(basename "$1" .c) ;;
  esac
  shift
done
cp "/payload/programs/${source:?}" "${program:?}"
