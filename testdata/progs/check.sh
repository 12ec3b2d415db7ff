#!/bin/bash
# Builds programs of this directory, and checks that the lines that they print
# equal those of strace.
#
#	check.sh [PROG...]             check these (default: all but beyond_*)
#	check.sh -b BITS -o OUT PROG   only build, statically, for 64 or 32 bits
#	check.sh -q PROG               only print the widths that PROG can be built in
#	check.sh -p                    only check whether this kernel runs 32-bit programs: exit code 3 if not
#
# PROG is the source file or its name without .c. Spaces before " = " are removed
# (strace pads to column 40), and a call that strace prints in two parts is joined
# at the second. Skipped programs (exit code 77) are named. The exit code is 1 if
# the lines of a program differ. Lines that begin with "#" are only compared with
# pidwire, since strace does not see these events. Lines that begin with "~" are
# only compared with strace, since these calls are not on a socket.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")

# header SOURCE FIELD prints a field of the first line:
# /* trace: a,b; bits: 64,32; needs: root */
header() {
	head -n 1 "$1" | sed -n "s|.*[*; ]$2: *\([^;*]*[^;* ]\).*|\1|p"
}

source_of() {
	local name=${1##*/}
	echo "$here/${name%.c}.c"
}

widths() {
	local bits
	bits=$(header "$1" bits)
	tr , ' ' <<<"${bits:-64}"
}

# build BITS SOURCE OUT builds a static program: it must run in a guest without
# libc, and the loader's reads must not be among its calls.
build() {
	local flags=()
	# Without gcc-multilib, name the directory of the headers.
	[[ $1 == 32 ]] && flags=(-m32 -idirafter /usr/include/x86_64-linux-gnu)
	${CC:-gcc} -std=gnu11 -O1 -Wall -Werror -static -pthread "${flags[@]}" -o "$3" "$2"
}

# runs_32 checks whether this kernel runs 32-bit programs. A kernel that does not
# has no int 0x80 either; if that works and the programs fail, it is an error.
runs_32() {
	local dir rc=0
	dir=$(mktemp -d)
	echo 'int main(void) { return 0; }' >"$dir/program.c"
	build 32 "$dir/program.c" "$dir/program"
	"$dir/program" 2>/dev/null || rc=$?
	if [[ $rc != 0 ]]; then
		echo 'int main(void) { long r; asm volatile("int $0x80" : "=a"(r) : "a"(20) : "memory"); return r <= 0; }' >"$dir/call.c"
		build 64 "$dir/call.c" "$dir/call"
		# 126: ENOEXEC. Any other error is not a reason to skip the program.
		if [[ $rc != 126 ]] || { (ulimit -c 0 && exec "$dir/call"); } 2>/dev/null; then
			echo "check.sh: a 32-bit program ends with $rc, and this kernel should run it" >&2
			rc=1
		else
			rc=3
		fi
	fi
	rm -rf "$dir"
	return "$rc"
}

# strace_lines LOG prints the log in the form of the programs' lines.
strace_lines() {
	awk '
		{ pid = $1; sub(/^[0-9]+ +/, "") }
		/^(\+\+\+|---)/ { next }
		# The write of the lines.
		/^write\(1, / { next }
		sub(/ <unfinished \.\.\.>$/, "") { begun[pid] = $0; next }
		sub(/^<\.\.\. [a-z0-9_]+ resumed>/, "") { $0 = begun[pid] $0 }
		{ print }
	' "$1" | sed -E 's/\) += /) = /'
}

# check SOURCE BITS
check() {
	local name rc=0
	name=$(basename "$1" .c)/$2
	build "$2" "$1" "$work/prog" || return
	(cd "$work" && exec timeout 120 strace -f -q -s 32 -e signal=none \
		-e "trace=$(header "$1" trace)" -o "$work/log" ./prog) >"$work/want" 2>"$work/err" || rc=$?
	if [[ $rc == 77 ]]; then
		echo "skip $name: $(cat "$work/err")"
		return
	fi
	strace_lines "$work/log" >"$work/got"
	sed -i '/^#/d; s/^~//' "$work/want"
	if [[ $rc != 0 ]]; then
		echo "FAIL $name: exit code $rc"
		cat "$work/err"
	elif ! diff -U 1 --label program --label strace "$work/want" "$work/got"; then
		echo "FAIL $name"
		rc=1
	else
		echo "ok   $name ($(wc -l <"$work/want") lines)"
	fi
	return "$rc"
}

bits='' out='' query=''
while getopts b:o:qp opt; do
	case $opt in
	p)
		runs_32
		exit
		;;
	b) bits=$OPTARG ;;
	o) out=$OPTARG ;;
	q) query=1 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

if [[ $query ]]; then
	widths "$(source_of "$1")"
	exit
fi
if [[ $bits ]]; then
	build "$bits" "$(source_of "$1")" "$out"
	exit
fi

no_32=''
runs_32 || {
	[[ $? == 3 ]] || exit 1
	no_32=1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
programs=("$@")
if [[ ${#programs[@]} == 0 ]]; then
	for source in "$here"/*.c; do
		# Calls that strace prints differently.
		[[ $(basename "$source") == beyond_* ]] || programs+=("$source")
	done
fi
failed=0
for program in "${programs[@]}"; do
	source=$(source_of "$program")
	for bits in $(widths "$source"); do
		if [[ $bits == 32 && $no_32 ]]; then
			echo "skip $(basename "$source" .c)/32: this kernel runs no 32-bit programs"
			continue
		fi
		check "$source" "$bits" || failed=1
	done
done
exit "$failed"
