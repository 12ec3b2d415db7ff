//go:build linux

// Audit measures layer aud: how many records per second it gets, and what it
// costs the watched process, with a full queue that drops records and with one
// that blocks the process. It also runs the load alone and under strace.
//
//	go run ./bench/audit [-seconds 3] [-rates 1000,5000,10000,20000]
//
// It needs root, gcc, audit that nothing else uses, and strace for the
// comparison.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func main() {
	seconds := flag.Float64("seconds", 3, "length of a run")
	rates := flag.String("rates", "1000,5000,10000,20000", "calls a second")
	flag.Parse()
	dir, err := os.MkdirTemp("", "pidwire-audit-")
	if err == nil {
		err = all(dir, *seconds, strings.Split(*rates, ","))
		os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

func all(dir string, seconds float64, rates []string) error {
	for _, build := range [][]string{
		{"gcc", "-O2", "-o", dir + "/load", "bench/packets/testdata/load.c"},
		{"go", "build", "-o", dir + "/pidwire", "./cmd/pidwire"},
	} {
		if out, err := exec.Command(build[0], build[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", build, err, out)
		}
	}
	fmt.Printf("%-8s %-22s %10s %9s %9s %9s %14s\n", "rate", "", "calls/s", "calls", "events", "lost", "us a call")
	for _, rate := range rates {
		var plain float64
		for _, w := range []struct {
			name string
			args []string
			said string
		}{
			{"plain", nil, ""},
			{"aud, dropping", []string{dir + "/pidwire", "trace", "-l", "aud", "--audit-unicast", "--no-follow", "-w", dir + "/x.pidwire"}, "watching"},
			{"aud, slowing", []string{dir + "/pidwire", "trace", "-l", "aud", "--audit-unicast", "--audit-wait", "--no-follow", "-w", dir + "/x.pidwire"}, "watching"},
			{"sys,aud, dropping", []string{dir + "/pidwire", "trace", "-l", "sys,aud", "--audit-unicast", "--no-follow", "-w", dir + "/x.pidwire"}, "watching"},
			{"strace", []string{"strace", "-f", "-e", "trace=network", "-o", dir + "/x.strace", "-p"}, "attached"},
		} {
			if w.args != nil {
				if _, err := exec.LookPath(w.args[0]); err != nil {
					fmt.Printf("%-8s %-22s is not installed\n", rate, w.name)
					continue
				}
			}
			r, err := measure(dir, rate, seconds, w.args, w.said)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", rate, w.name, err)
			}
			if w.args == nil {
				plain = r.us
			}
			fmt.Printf("%-8s %-22s %10.0f %9.0f %9s %9s %6.2f (%+.2f)\n", rate, w.name, r.calls/r.seconds, r.calls, r.events, r.lost, r.us, r.us-plain)
		}
	}
	return nil
}

type result struct {
	calls, seconds, us float64
	events, lost       string
}

var counts = regexp.MustCompile(`, (\d+) audit events in .*, aud (\d+)`)

func measure(dir, rate string, seconds float64, args []string, watching string) (r result, err error) {
	load := exec.Command(dir+"/load", "udp", rate, fmt.Sprint(seconds))
	in, err := load.StdinPipe()
	if err != nil {
		return r, err
	}
	var said strings.Builder
	load.Stdout, load.Stderr = &said, os.Stderr
	if err := load.Start(); err != nil {
		return r, err
	}
	defer func() { _ = load.Process.Kill() }()
	var tool *exec.Cmd
	var all strings.Builder
	drained := make(chan struct{})
	if args != nil {
		tool = exec.Command(args[0], append(args[1:], strconv.Itoa(load.Process.Pid))...)
		p, err := tool.StderrPipe()
		if err != nil {
			return r, err
		}
		if err := tool.Start(); err != nil {
			return r, err
		}
		ready := make(chan struct{})
		go func() {
			defer close(drained)
			waits := true
			for s := bufio.NewScanner(p); s.Scan(); {
				all.WriteString(s.Text() + "\n")
				if waits && strings.Contains(s.Text(), watching) {
					waits = false
					close(ready)
				}
			}
		}()
		select {
		case <-ready:
		case <-drained:
			return r, errors.Join(fmt.Errorf("%v did not begin: %s", args, all.String()), tool.Wait())
		case <-time.After(20 * time.Second):
			_ = tool.Process.Kill()
			return r, fmt.Errorf("%v did not begin", args)
		}
	}
	if _, err := io.WriteString(in, "\n"); err != nil {
		return r, err
	}
	if err := load.Wait(); err != nil {
		return r, err
	}
	if _, err := fmt.Sscan(said.String(), &r.calls, &r.seconds, &r.us); err != nil {
		return r, fmt.Errorf("the load said %q: %w", said.String(), err)
	}
	r.us /= r.calls
	if tool == nil {
		return r, nil
	}
	time.Sleep(300 * time.Millisecond)
	_ = tool.Process.Signal(os.Interrupt)
	<-drained
	_ = tool.Wait()
	if m := counts.FindStringSubmatch(all.String()); m != nil {
		r.events, r.lost = m[1], m[2]
	}
	return r, nil
}
