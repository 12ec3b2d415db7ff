package strace

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// need skips the test if a program is missing, or fails if PIDWIRE_MUST is set.
func need(t *testing.T, program string) string {
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path
	case os.Getenv("PIDWIRE_MUST") != "":
		t.Fatalf("PIDWIRE_MUST is set, and %s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}

func compile(t *testing.T, flags ...string) string {
	gcc := need(t, "gcc")
	out := filepath.Join(t.TempDir(), "tracee")
	args := append(flags, "-w", "-pthread", "-o", out, "testdata/net.c")
	if msg, err := exec.Command(gcc, args...).CombinedOutput(); err != nil {
		if len(flags) > 0 {
			t.Logf("no tracee of %v: %s", flags, msg)
			return ""
		}
		t.Fatalf("gcc: %v\n%s", err, msg)
	}
	return out
}

// flagSets are options of strace, each for one run. With "o" as the first word the output goes to
// a file (-o) instead of standard error.
var flagSets = []string{
	"", "-f", "-t", "-tt", "-ttt", "-r", "-T", "-y", "-yy", "-x", "-xx", "-v", "-i", "-n", "-k -e trace=openat",
	"-f -t", "-f -tt", "-f -ttt -T", "-f -r", "-f -r -T -y", "-f -ttt -r", "-f -tt -r -i -n", "-f -t -r",
	"-f -yy -T -tt", "-f -yy -x", "-f -yy -xx", "-f -y -xx -s 1000", "-f -v -s 4096", "-f -s 0", "-f -s 3", "-f -a 1", "-f -a 90",
	"-f -i", "-f -n", "-f -i -n -ttt -T -yy", "-f -X raw", "-f -X verbose", "-f -X verbose -yy",
	"-f -e raw=all", "-f -q", "-f -qqq", "-f -Z", "-f -z", "-f -e inject=fcntl:error=EPIPE:when=2",
	"-f -e inject=sendto:delay_exit=1000", "-f -e inject=umask:retval=7 -T", "-f -e trace=network", "-f -I 2 -b execve",
	"-f --decode-pids=comm", "-f --decode-pids=comm -t -yy", "-f --decode-pids=comm,pidns",
	"-f --relative-timestamps=ns", "-f --relative-timestamps=s", "-f --relative-timestamps=ms -T",
	"-f --absolute-timestamps=format:unix,precision:ns --relative-timestamps=ns --syscall-times=ns",
	"-f --absolute-timestamps=precision:ms --syscall-times=s", "-f --absolute-timestamps=format:unix,precision:s",
	"-f --syscall-times=ms", "-f --syscall-times=us", "-f -e write=all -e trace=network,write,writev", "-f -e read=all -e trace=network,read -yy",
	"o", "o -f", "o -f -t", "o -f -tt", "o -f -ttt", "o -f -r", "o -f -ttt -r -T -yy", "o -f -i -n", "o -f --decode-pids=comm",
	"o -f --decode-pids=comm -r", "o -f --decode-pids=comm,pidns -tt -yy", "o -f -xx -s 300", "o -f --relative-timestamps=ns",
	"o -f --relative-timestamps=s", "o -f --absolute-timestamps=format:unix,precision:s", "o -f --absolute-timestamps=format:none -r",
	"o -f -v -yy -T -s 4096 -tt", "o -ff -tt", "o -f -k -e trace=connect",
}

// trace runs a tracee and returns the output of strace.
func trace(t *testing.T, flags string, tracee ...string) []byte {
	file := filepath.Join(t.TempDir(), "out")
	args := strings.Fields(flags)
	toFile := len(args) > 0 && args[0] == "o"
	if toFile {
		args = append(args[1:], "-o", file)
	}
	cmd := exec.Command("strace", append(append(args, "--"), tracee...)...)
	stderr, err := os.Create(file + ".stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	cmd.Stderr = stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(5*time.Second, func() {
		t.Errorf("strace %s %v takes too long", flags, tracee)
		cmd.Process.Kill()
	})
	defer stop.Stop()
	cmd.Wait() // the status is that of the tracee
	names, _ := filepath.Glob(file + "*")
	var all []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// count has the number of lines by kind.
type count [len(kindNames)]int

// roundTrip checks that every line is parsed and printed again unchanged.
func roundTrip(t *testing.T, transcript []byte, n *count) {
	t.Helper()
	var l, again Line
	var b []byte
	bad := 0
	for line := range bytes.Lines(transcript) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		err := Parse(line, &l)
		n[l.Kind]++
		b = Append(b[:0], &l)
		if !bytes.Equal(b, line) {
			t.Errorf("printed again: %s\n          was: %s", b, line)
			bad++
		}
		if err != nil {
			t.Errorf("%v: %s", err, line)
			bad++
		}
		if Parse(b, &again); dump(&again) != dump(&l) {
			t.Errorf("parsed again: %s\n         was: %s", dump(&again), dump(&l))
			bad++
		}
		if bad > 10 {
			t.Fatal("and so on")
		}
	}
}

// TestLive checks that the output of the strace of this machine, with various options, is printed
// again unchanged.
func TestLive(t *testing.T) {
	need(t, "strace")
	tracees := [][]string{{compile(t)}}
	if exe := compile(t, "-m32"); exe != "" {
		tracees = append(tracees, []string{exe})
	}
	tracees = append(tracees, []string{"sh", "-c", "true | sleep 0.01; (echo x | cat >/dev/null) & sleep 0.01; wait; exec true"})
	var n count
	runs := 0
	for i, tracee := range tracees {
		for k, flags := range flagSets {
			if i > 0 && k%4 != i && testing.Short() {
				continue
			}
			runs++
			roundTrip(t, trace(t, flags, tracee...), &n)
			if t.Failed() {
				t.Fatalf("strace %s %v", flags, tracee)
			}
		}
	}
	total := 0
	for kind, n := range n {
		t.Logf("%-12v %6d", Kind(kind), n)
		total += n
	}
	t.Logf("%d lines of %d runs", total, runs)
	for _, kind := range []Kind{Call, Unfinished, Resumed, Broken, Rest, Signal, Exit, Killed, Superseded, Note, Stack, Dump} {
		if n[kind] == 0 {
			t.Errorf("no line of kind %v", kind)
		}
	}
}
