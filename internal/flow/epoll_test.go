package flow

import (
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

// data is an epoll_event's tape, as far as flow reads it.
func data(nums ...uint64) event.Tape {
	var t event.Tape
	for _, n := range nums {
		t = append(t, event.Token{Kind: event.TStruct}, event.Token{Kind: event.TUint, Name: "u64", Num: n}, event.Token{Kind: event.TEnd})
	}
	return t
}

// TestEpoll holds that epoll_wait is joined to the connections that epoll_ctl
// registered, by the data alone, in the same process and instance only.
func TestEpoll(t *testing.T) {
	j := New()
	add := func(pid uint32, c *event.Call) *event.Entry {
		e := &event.Entry{Event: event.Event{Task: event.Task{Proc: event.Proc{PID: pid, Start: 1}}, Body: c}}
		j.Add(e)
		return e
	}
	ctl := func(pid uint32, epfd, key, ino uint64, ret int64) {
		add(pid, &event.Call{
			Name: "epoll_ctl", Ret: ret,
			Args:  []event.Arg{{Raw: epfd}, {}, {}, {Val: data(key)}},
			Socks: []event.Sock{{ID: event.SockID{Inode: ino}, New: true}},
		})
	}
	wait := func(pid uint32, epfd uint64, keys ...uint64) *event.Entry {
		return add(pid, &event.Call{
			Name: "epoll_wait", Ret: int64(len(keys)), Args: []event.Arg{{Raw: epfd}, {Val: data(keys...)}},
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
	ctl(1, 5, 0xabc, 200, 0) // the data is used again
	if e := wait(1, 5, 0xabc); e.Conn == nil || e.Conn.N != 2 {
		t.Errorf("data used again: joined to %+v", e.Conn)
	}
}
