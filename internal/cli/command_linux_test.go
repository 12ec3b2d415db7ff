package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestShimWaits checks that the shim waits at its gate when waits returns: calls before that, such as epoll_create1,
// are not those of the command.
func TestShimWaits(t *testing.T) {
	child, err := startCommand([]string{"true"}, "", nil, io.Discard, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer child.abandon()
	child.waits(context.Background())
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child.pid()))
	if err != nil || !strings.HasPrefix(string(args), shimName+"\x00") {
		t.Errorf("it is %q when it may be watched (%v)", args, err)
	}
	// One of its threads must be in read(2) on the gate (proc_pid_syscall(5)), and the others must wait.
	want := fmt.Sprintf("%d %#x ", unix.SYS_READ, child.gateFD)
	var threads []string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		threads = nil
		there := false
		list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", child.pid()))
		for _, d := range list {
			call, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", child.pid(), d.Name()))
			threads = append(threads, string(call))
			there = there || strings.HasPrefix(string(call), want)
		}
		if there {
			break
		}
		if len(list) == 0 {
			t.Fatal("it has ended")
		}
	}
	if !strings.Contains(strings.Join(threads, "\n"), want) {
		t.Errorf("no thread is in read(%d): %q", child.gateFD, threads)
	}
	if err := child.release(); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-child.exit:
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(10 * time.Second):
		t.Error("it does not end")
	}
}

// TestShimEnds checks that waits does not block if the shim has ended.
func TestShimEnds(t *testing.T) {
	child, err := startCommand([]string{"true"}, "", nil, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	_ = child.cmd.Process.Kill()
	done := make(chan struct{})
	go func() { child.waits(context.Background()); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("it is waited for, though it is dead")
	}
	child.gate.Close()
	child.gate = nil
	<-child.exit
}
