package flow

import (
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
)

// data returns the tape of an epoll_event, with the part that flow reads.
func data(nums ...uint64) event.Tape {
	var t event.Tape
	for _, n := range nums {
		t = append(t, event.Token{Kind: event.TStruct}, event.Token{Kind: event.TUint, Name: "u64", Num: n}, event.Token{Kind: event.TEnd})
	}
	return t
}

// TestEpoll checks that epoll_wait is joined to the connections that epoll_ctl registered, by the
// data only, and only within a process and an epoll instance.
func TestEpoll(t *testing.T) {
	j := New(new(bounded.Room))
	add := func(pid uint32, c *event.Call) *event.Entry {
		e := &event.Entry{Event: event.Event{Task: event.Task{Proc: event.Proc{PID: pid, Start: 1}}, Body: c}}
		j.Add(e)
		return e
	}
	ctl := func(pid uint32, epfd, key, ino uint64, ret int64) {
		add(pid, &event.Call{
			Name: "epoll_ctl", Role: syscalls.RoleOf("epoll_ctl"), Ret: ret,
			Args:  []event.Arg{{Raw: epfd}, {}, {}, {Val: data(key)}},
			Socks: []event.Sock{{ID: event.SockID{Inode: ino}, New: true}},
		})
	}
	wait := func(pid uint32, epfd uint64, keys ...uint64) *event.Entry {
		return add(pid, &event.Call{
			Name: "epoll_wait", Role: syscalls.RoleOf("epoll_wait"), Ret: int64(len(keys)), Args: []event.Arg{{Raw: epfd}, {Val: data(keys...)}},
		})
	}
	ctl(1, 5, 0xabc, 100, 0)
	ctl(1, 5, 0xdef, 200, 0)
	ctl(1, 6, 0x111, 300, -17)
	e := wait(1, 5, 0xdef, 0xabc, 0xdef)
	if e.Conn == nil || e.Conn.N != 2 || len(e.Others) != 1 || e.Others[0].N != 1 || e.Match != event.MatchTable {
		t.Errorf("joined to %+v, others %v, by %v", e.Conn, e.Others, e.Match)
	}
	for name, e := range map[string]*event.Entry{
		"another process": wait(2, 5, 0xabc), "another instance": wait(1, 7, 0xabc),
		"data not registered": wait(1, 5, 0x999), "a registration that failed": wait(1, 6, 0x111), "nothing ready": wait(1, 5),
	} {
		if e.Conn != nil || e.Match != event.MatchNone {
			t.Errorf("%s: joined to c%d by %v", name, e.Conn.N, e.Match)
		}
	}
	ctl(1, 5, 0xabc, 200, 0) // the data is reused
	if e := wait(1, 5, 0xabc); e.Conn == nil || e.Conn.N != 2 {
		t.Errorf("data used again: joined to %+v", e.Conn)
	}
}

// TestEpollOld checks that descriptors registered before the first record are joined too, even to a
// connection that has not been seen before.
func TestEpollOld(t *testing.T) {
	l := newLife(t)
	wait := func(who event.Task, keys ...uint64) event.Entry {
		return l.add(who, &event.Call{Name: "epoll_pwait", Role: syscalls.RoleOf("epoll_pwait"), Ret: int64(len(keys)), Args: []event.Arg{{Raw: 6}, {Val: data(keys...)}}})
	}
	want := func(e event.Entry, n uint32, first bool, others ...uint32) {
		t.Helper()
		if e.Match != event.MatchTable {
			t.Fatalf("at %d: %+v by %v", e.Time, e.Conn, e.Match)
		}
		e.Match = event.MatchExact // as expected by life.want
		l.want(e, n, first, others...)
	}
	for inode := uint64(7); inode < 9; inode++ {
		l.add(parent, &event.SockFound{Sock: tcp(0, inode, 4)})
		l.add(parent, &event.Ready{EpFD: 6, FD: 4, Data: inode + 100, Inode: inode})
	}
	l.add(parent, &event.Ready{EpFD: 6, FD: 9, Data: 199, Inode: 99}) // not a socket
	want(wait(parent, 107), 1, true)
	want(wait(parent, 199, 107, 108), 1, false, 2)
	want(wait(parent, 108), 2, false)
	l.want(wait(child, 107), 0, false)
	l.want(wait(parent, 199), 0, false)
	// A call on the socket joins the same connection, and adds its cookie.
	e := l.call(parent, "read", 1, tcp(80, 8, 4))
	l.want(e, 2, false)
	if !e.Conn.Old || e.Conn.ID.Cookie != 80 {
		t.Errorf("%+v", e.Conn)
	}
}
