package flow

import (
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
)

// printed is a call as printed by another tool.
func (l *life) printed(pid uint32, name string, fd, ret int64, words ...string) event.Entry {
	c := &event.Call{Name: name, Role: syscalls.RoleOf(name), Ret: ret, Foreign: true}
	arg := event.Arg{Name: "sockfd", Raw: uint64(fd)}
	switch name {
	case "read", "write", "close":
		arg.Name = "fd"
	case "socket":
		c.Args = []event.Arg{{Raw: 2}, {Raw: 1}, {Raw: 0}}
	}
	for _, w := range words {
		c.Args = append(c.Args, event.Arg{Unknown: true, Val: event.Tape{{Kind: event.TAsIs, Str: w}}})
	}
	if len(c.Args) == 0 {
		c.Args = []event.Arg{arg}
	}
	return l.add(event.Task{Proc: event.Proc{PID: pid}, TID: pid, Bare: true}, c)
}

// TestTables checks that threads share descriptors, that a child has copies of its parent's, and
// that without information about processes a descriptor that only one process has is attributed to
// it, as a guess.
func TestTables(t *testing.T) {
	l := newLife(t)
	conn := func(e event.Entry) uint32 {
		if e.Conn == nil {
			return 0
		}
		return e.Conn.N
	}
	first := conn(l.printed(1, "socket", 0, 5))
	l.printed(1, "clone3", 0, 2, "{flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD}")
	l.printed(2, "clone", 0, 3, "child_stack=NULL", "flags=CLONE_CHILD_CLEARTID|SIGCHLD")
	for _, pid := range []uint32{2, 3} {
		if e := l.printed(pid, "write", 5, 9); conn(e) != first || e.Match != event.MatchTable {
			t.Errorf("descriptor 5 of %d is c%d (%s), want c%d", pid, conn(e), e.Match, first)
		}
	}
	l.printed(2, "close", 5, 0)
	if e := l.printed(1, "read", 5, 0); e.Conn != nil {
		t.Errorf("a thread closed it: c%d", e.Conn.N)
	}
	if e := l.printed(3, "read", 5, 9); conn(e) != first {
		t.Errorf("the child's own is c%d, want c%d", conn(e), first)
	}
	second := conn(l.printed(2, "socket", 0, 5))
	if second == first || conn(l.printed(1, "recv", 5, 9)) != second || conn(l.printed(3, "recv", 5, 9)) != first {
		t.Error("the number was given out again: threads and child are not told apart")
	}
	// The process of thread 9 is unknown.
	third := conn(l.printed(1, "socket", 0, 6))
	if e := l.printed(9, "recv", 6, 9); conn(e) != third || e.Match != event.MatchGuess {
		t.Errorf("descriptor 6 of another is c%d (%s), want c%d by a guess", conn(e), e.Match, third)
	}
	if e := l.printed(9, "read", 6, 9); e.Conn != nil {
		t.Errorf("what may be a file is c%d", e.Conn.N)
	}
	if e := l.printed(9, "recv", 5, 9); conn(e) == first || conn(e) == second {
		t.Errorf("two have a descriptor 5: c%d", conn(e))
	}
}
