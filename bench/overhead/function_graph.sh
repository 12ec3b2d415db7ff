# Traces the functions listed in a file ($2), in a process ($1), with ftrace's
# function_graph.
cd /sys/kernel/tracing || exit 1
undo() {
	# The tracer cannot be changed while trace_pipe is open.
	kill $reader
	wait $reader
	echo nop >current_tracer
	echo >set_ftrace_filter
	echo >set_ftrace_pid
	# Events that did not fit into a CPU's buffer.
	echo "lost $(cat per_cpu/cpu*/stats | awk '/^(overrun|dropped events)/ { n += $NF } END { print n + 0 }')" >&2
	echo >trace
	exit 0
}
trap undo INT TERM
# By index: the kernel compares a name with all functions.
awk 'NR == FNR { want[$1] = 1; next } $1 in want { print FNR }' "$2" available_filter_functions >set_ftrace_filter
echo "$1" >set_ftrace_pid
echo 4096 >buffer_size_kb
echo function_graph >current_tracer
cat trace_pipe >/dev/null &
reader=$!
echo "pidwire: watching with function_graph" >&2
wait
