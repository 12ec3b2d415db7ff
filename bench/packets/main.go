//go:build linux

// Packets measures what capturing the packets of a process costs, and compares
// it with tcpdump on the same load: UDP datagrams of 100 bytes at two rates, and
// a TCP stream, on loopback. tcpdump captures each packet of the interface once;
// pidwire captures those of the sender's end, also once.
//
//	go run ./bench/packets [-rounds 3] [-seconds 3]
//
// Each result is printed with the bound of the project. It needs root, gcc, and
// tcpdump for the comparison.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// load is a way of making packets.
type load struct {
	name, mode, rate string
	snaplen          string
}

var loads = []load{
	{"udp 20000/s", "udp", "20000", "128"},
	{"udp 100000/s", "udp", "100000", "128"},
	{"tcp stream", "tcp", "-", "96"},
}

// tools capture to a file, by name.
var tools = []string{"plain", "pidwire", "pidwire-pcapng", "pidwire-both", "tcpdump"}

// run is the result of one tool with one load.
type run struct {
	done, seconds, cpu float64 // of the load: packets or bytes, seconds, us
	captured, lost     uint64
	ours               time.Duration // CPU time of the tool, after its start
	memory             int64         // KiB, near the end
	start              time.Duration // from its start to capturing
}

func main() {
	rounds := flag.Int("rounds", 3, "runs of each tool and load")
	seconds := flag.Float64("seconds", 3, "length of a run")
	strict := flag.Bool("strict", false, "exit with 1 if a bound was passed")
	flag.Parse()
	dir, err := os.MkdirTemp("", "pidwire-packets-")
	if err != nil {
		fatal(err)
	}
	ok, err := all(dir, *rounds, *seconds)
	os.RemoveAll(dir)
	if err != nil {
		fatal(err)
	}
	if *strict && !ok {
		os.Exit(1)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "packets:", err)
	os.Exit(1)
}

func all(dir string, rounds int, seconds float64) (ok bool, err error) {
	for _, build := range [][]string{
		{"gcc", "-O2", "-o", dir + "/load", "bench/packets/testdata/load.c"},
		{"go", "build", "-o", dir + "/pidwire", "./cmd/pidwire"},
	} {
		if out, err := exec.Command(build[0], build[1:]...).CombinedOutput(); err != nil {
			return false, fmt.Errorf("%v: %w\n%s", build, err, out)
		}
	}
	ok = true
	fmt.Printf("%-13s %-15s %10s %9s %6s %12s %12s %8s %7s\n", "load", "to a file by", "rate", "captured", "lost", "sender us", "tool us", "MB", "start")
	for _, l := range loads {
		var plain run
		runs := map[string][]run{}
		// Take turns, so that other activity of the machine affects all.
		for range rounds {
			for _, tool := range tools {
				if _, err := exec.LookPath(tool); tool == "tcpdump" && err != nil {
					continue
				}
				r, err := measure(dir, tool, l, seconds)
				if err != nil {
					return false, fmt.Errorf("%s, %s: %w", l.name, tool, err)
				}
				runs[tool] = append(runs[tool], r)
			}
		}
		for _, tool := range tools {
			list := runs[tool]
			if len(list) == 0 {
				fmt.Printf("%-13s %s is not installed\n", l.name, tool)
				continue
			}
			// The median by the result of the load.
			slices.SortFunc(list, func(a, b run) int { return compare(a.perUnit(l), b.perUnit(l)) })
			r := list[len(list)/2]
			if tool == "plain" {
				plain = r
			}
			if !report(l, tool, r, plain) {
				ok = false
			}
		}
	}
	return ok, nil
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// perUnit is the value by which runs are sorted: the sender's us per packet, or its rate.
func (r run) perUnit(l load) float64 {
	if l.mode == "udp" {
		return r.cpu / r.done
	}
	return r.done / r.seconds
}

// The bounds.
const (
	toolBound   = 5.0 // our us per packet, at 20,000 per second
	senderBound = 3.0 // us added to the sender
	streamBound = 0.8 // of the plain rate
	startBound  = 300 * time.Millisecond
	memoryBound = 64 << 10 // KiB
)

func report(l load, tool string, r, plain run) (ok bool) {
	ok = true
	hold := func(text string, good bool, bound string) string {
		switch {
		case !strings.HasPrefix(tool, "pidwire"):
			return text
		case good:
			return text
		}
		ok = false
		return text + " (!" + bound + ")"
	}
	rate, sender := fmt.Sprintf("%.0f/s", r.done/r.seconds), ""
	ours := ""
	if l.mode == "udp" {
		added := (r.cpu/r.done - plain.cpu/plain.done)
		sender = hold(fmt.Sprintf("%.1f (%+.1f)", r.cpu/r.done, added), added <= senderBound, fmt.Sprint(senderBound))
		if tool != "plain" {
			us := float64(r.ours.Microseconds()) / r.done
			ours = hold(fmt.Sprintf("%.2f", us), us <= toolBound || l.rate != "20000", fmt.Sprint(toolBound))
		}
	} else {
		ratio := r.done / r.seconds / (plain.done / plain.seconds)
		rate = hold(fmt.Sprintf("%.0f MB/s", r.done/r.seconds/1e6), true, "")
		sender = hold(fmt.Sprintf("rate x%.2f", ratio), ratio >= streamBound, fmt.Sprint(streamBound))
		if tool != "plain" && r.captured > 0 {
			ours = fmt.Sprintf("%.2f", float64(r.ours.Microseconds())/float64(r.captured))
		}
	}
	if tool == "plain" {
		fmt.Printf("%-13s %-15s %10s %9s %6s %12s\n", l.name, tool, rate, "", "", sender)
		return true
	}
	lost := hold(fmt.Sprint(r.lost), r.lost == 0, "0")
	if l.mode == "udp" && uint64(r.done) != r.captured+r.lost {
		lost = hold(fmt.Sprintf("%d of %.0f?", r.lost, r.done), false, "captured + lost = sent")
	}
	fmt.Printf("%-13s %-15s %10s %9d %6s %12s %12s %8s %7s\n", l.name, tool, rate, r.captured, lost, sender, ours,
		hold(fmt.Sprintf("%.0f", float64(r.memory)/1024), r.memory <= memoryBound, "64"),
		hold(fmt.Sprintf("%.0fms", r.start.Seconds()*1000), r.start <= startBound, "300ms"))
	return ok
}

var (
	oursLine    = regexp.MustCompile(`(\d+) packets in .* lost sys \d+, pkt (\d+)`)
	dumpLine    = regexp.MustCompile(`(\d+) packets captured`)
	dumpDropped = regexp.MustCompile(`(\d+) packets dropped by kernel`)
)

func measure(dir, tool string, l load, seconds float64) (r run, err error) {
	cmd := exec.Command(dir+"/load", l.mode, l.rate, fmt.Sprint(seconds))
	in, err := cmd.StdinPipe()
	if err != nil {
		return r, err
	}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, os.Stderr
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() { _ = cmd.Process.Kill() }()
	pid := fmt.Sprint(cmd.Process.Pid)
	var args []string
	watching := "watching"
	switch tool {
	case "pidwire":
		args = []string{dir + "/pidwire", "trace", "-l", "pkt", "--no-follow", "--snaplen", l.snaplen, "-w", dir + "/x.pidwire", pid}
	case "pidwire-pcapng":
		args = []string{dir + "/pidwire", "trace", "-l", "pkt", "--no-follow", "--snaplen", l.snaplen, "-w", dir + "/x.pcapng", pid}
	case "pidwire-both":
		args = []string{dir + "/pidwire", "trace", "-l", "sys,pkt", "--no-follow", "--snaplen", l.snaplen, "-w", dir + "/x.pidwire", pid}
	case "tcpdump":
		args = []string{"tcpdump", "-Z", "root", "-i", "lo", "-B", "32768", "-s", l.snaplen, "-w", dir + "/x.pcap", l.mode}
		watching = "listening on"
	}
	var t *exec.Cmd
	var lines chan string
	if args != nil {
		began := time.Now()
		if t, lines, err = start(args, watching); err != nil {
			return r, err
		}
		r.start = time.Since(began)
		for _, pid := range both(t.Process.Pid) {
			used, err := processorTime(pid)
			if err != nil {
				return r, err
			}
			r.ours += used
		}
	}
	if _, err := io.WriteString(in, "\n"); err != nil {
		return r, err
	}
	if t != nil {
		time.Sleep(time.Duration(seconds * 0.8 * float64(time.Second)))
		r.memory = anonymous(both(t.Process.Pid))
	}
	if err := cmd.Wait(); err != nil {
		return r, err
	}
	if _, err := fmt.Sscan(said.String(), &r.done, &r.seconds, &r.cpu); err != nil {
		return r, fmt.Errorf("the load said %q: %w", said.String(), err)
	}
	if t == nil {
		return r, nil
	}
	time.Sleep(200 * time.Millisecond)
	_ = t.Process.Signal(os.Interrupt)
	var all strings.Builder
	for line := range lines {
		all.WriteString(line + "\n")
	}
	_ = t.Wait()
	r.ours = t.ProcessState.UserTime() + t.ProcessState.SystemTime() - r.ours
	if m := oursLine.FindStringSubmatch(all.String()); m != nil {
		_, err = fmt.Sscan(m[1]+" "+m[2], &r.captured, &r.lost)
	} else if m := dumpLine.FindStringSubmatch(all.String()); m != nil {
		_, err = fmt.Sscan(m[1], &r.captured)
		if d := dumpDropped.FindStringSubmatch(all.String()); d != nil {
			_, err = fmt.Sscan(d[1], &r.lost)
		}
	} else {
		err = fmt.Errorf("%s said nothing of packets: %q", filepath.Base(args[0]), all.String())
	}
	return r, err
}

// both returns a process and its children: pidwire has two.
func both(pid int) []int {
	pids := []int{pid}
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range names {
		b, _ := os.ReadFile(name)
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// anonymous returns the memory of the larger of the processes, in KiB, without file pages and the
// ring, which a resident size counts twice.
func anonymous(pids []int) (most int64) {
	for _, pid := range pids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(b)) {
			var kib int64
			if n, _ := fmt.Sscanf(line, "RssAnon: %d", &kib); n == 1 {
				most = max(most, kib)
			}
		}
	}
	return most
}

// processorTime returns the CPU time that a process has used so far.
func processorTime(pid int) (sum time.Duration, err error) {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("process %d has no schedstat: %w", pid, errors.Join(err, os.ErrNotExist))
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // an exited thread
		}
		var ns int64
		if _, scan := fmt.Sscan(string(b), &ns); err != nil || scan != nil {
			return 0, fmt.Errorf("%s: %w", name, errors.Join(err, scan))
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// start starts a tool, and waits until it captures.
func start(args []string, watching string) (*exec.Cmd, chan string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	p, err := cmd.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	lines := make(chan string, 1000)
	go func() {
		for s := bufio.NewScanner(p); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	for line := range lines {
		if strings.Contains(line, watching) {
			return cmd, lines, nil
		}
	}
	return nil, nil, errors.Join(fmt.Errorf("%v did not begin", args), cmd.Wait())
}
