#!/bin/bash
# Runs test files of the repository inside the guest, each in a process of its own, and reports for runtime.test.ts:
# a line "=== FILE STATUS SECONDS" after each, Bun's JUnit report, and what the file printed when it failed.
repository=/root/repository
mkdir -p $repository
tar -xf /payload/repository.tar -C $repository
cd $repository || exit
export GANTRY=/payload/bin/gantry
for file in "$@"; do
  rm -f /tmp/report.xml
  start=$SECONDS
  timeout -k 5 200 bun test --timeout=60000 --reporter=junit --reporter-outfile=/tmp/report.xml "./$file" >/tmp/output 2>&1
  status=$?
  echo "=== $file $status $((SECONDS - start))"
  [ ! -e /tmp/report.xml ] || cat /tmp/report.xml
  echo
  [ $status = 0 ] || cat /tmp/output
done
echo "=== end 0 $SECONDS"
