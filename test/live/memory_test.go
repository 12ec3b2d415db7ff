package live

import (
	"bytes"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var manyTimes = flag.Int("many", 1, "TestMany makes so many times as many connections, processes and names")

const (
	// mostMemory is the limit for each of the two processes, without the ring, in KiB.
	mostMemory = 64 << 10
	// mostGrowth is the limit for the growth in the second half of a run, in KiB: one cycle of the
	// garbage collector.
	mostGrowth = 8 << 10
)

// TestMany checks that memory is bounded for any number of threads, connections, processes and
// names: each process stays below the limit, and stops growing once its tables are full. -many 20
// makes a million connections and a hundred thousand processes.
func TestMany(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("gcc"); err != nil {
		if built == "" {
			t.Fatal(err)
		}
		t.Skipf("nothing can be compiled in the guest: %v", err)
	}
	prog := filepath.Join(t.TempDir(), "many")
	if out, err := exec.Command("gcc", "-Wall", "-O1", "-pthread", "-o", prog, "testdata/many.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, test := range []struct {
		kind  string
		n     int
		flags string
	}{
		{"threads", 3000, "-l sys,pkt,krn -o lines"},
		{"conns", 50_000 * *manyTimes, "-l sys,pkt -o lines"},
		{"conns", 30_000 * *manyTimes, "-l sys,pkt -c"},
		{"conns", 30_000 * *manyTimes, "-l sys,pkt,krn --json -o lines"},
		{"conns", 30_000 * *manyTimes, "-l sys,pkt -w file.pcapng"},
		{"procs", 5000 * *manyTimes, "-l sys -o lines"},
		{"names", 50_000 * *manyTimes, "-l pkt -o lines"},
	} {
		t.Run(test.kind+" "+test.flags, func(t *testing.T) {
			dir := t.TempDir()
			args := append([]string{"trace", "-q"}, strings.Fields(test.flags)...)
			cmd := exec.Command(pidwire, append(args, "--", prog, test.kind, strconv.Itoa(test.n))...)
			cmd.Dir = dir
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			var sizes [2][]int // RssAnon of the collector and VmRSS of the rest
			rest := 0
			for running := true; running; {
				select {
				case err := <-ended:
					if err != nil {
						t.Errorf("%v: %v\n%.1000s", cmd.Args, err, out.Bytes())
					}
					running = false
				case <-time.After(5 * time.Millisecond):
					if rest == 0 {
						rest = childOf(cmd.Process.Pid)
					}
					// The collector's resident size counts the ring twice.
					for i, field := range []string{"RssAnon", "VmRSS"} {
						if kib, err := memoryOf([]int{cmd.Process.Pid, rest}[i], field); err == nil {
							sizes[i] = append(sizes[i], kib)
						}
					}
				}
			}
			for i, name := range []string{"collector", "rest"} {
				most, first := 0, 0
				for j, kib := range sizes[i] {
					if most = max(most, kib); j < len(sizes[i])/2 {
						first = most
					}
				}
				t.Logf("%s: at most %d KiB, %d in the first half (%d looks)", name, most, first, len(sizes[i]))
				if len(sizes[i]) < 10 {
					t.Errorf("%s: looked at %d times", name, len(sizes[i]))
				}
				if most > mostMemory {
					t.Errorf("%s: %d KiB", name, most)
				}
				if *manyTimes > 1 && most-first > mostGrowth {
					t.Errorf("%s: grows from %d to %d KiB", name, first, most)
				}
			}
		})
	}
}

// memoryOf reads a size from /proc/PID/status, in KiB.
func memoryOf(pid int, field string) (kib int, err error) {
	fields, err := statusOf(pid)
	if err == nil {
		_, err = fmt.Sscan(fields[field], &kib) // an exiting process has none
	}
	return kib, err
}
