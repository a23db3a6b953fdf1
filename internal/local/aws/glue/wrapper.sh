# Runs the job given as arguments and writes its exit status to the file "exit".
# Descriptor 3 is the run's lock, held until this shell and the job have exited.
#
# A trapped signal is handled after the job has ended, and is not inherited by it.
trap : HUP INT TERM
echo $$ >pid.tmp && mv pid.tmp pid
"$@" </dev/null
status=$?
echo "$status" >exit.tmp && mv exit.tmp exit
# Kill the processes that the job left behind (a JVM), and this shell.
kill -KILL 0
