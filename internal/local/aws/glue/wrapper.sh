# Runs the job given as arguments and keeps its exit status in the file "exit".
# Descriptor 3 is the run's lock: held for as long as this shell or the job lives.
#
# A trapped signal waits until the job has ended, and is not inherited by it.
trap : HUP INT TERM
echo $$ >pid.tmp && mv pid.tmp pid
"$@" </dev/null
status=$?
echo "$status" >exit.tmp && mv exit.tmp exit
# What the job left behind (a JVM) goes now, and this shell with it.
kill -KILL 0
