package flow

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/syscalls"
)

// life drives a joiner. It keeps every connection that the joiner returned, to check that none is
// modified later.
type life struct {
	t     *testing.T
	j     *Joiner
	now   int64
	given []*event.Conn
	as    []event.Conn
}

func newLife(t *testing.T) *life {
	l := &life{t: t, j: New(new(bounded.Room))}
	t.Cleanup(func() {
		for i, c := range l.given {
			if *c != l.as[i] {
				t.Errorf("c%d was changed after a sink had seen it:\n was %+v\n  is %+v", c.N, l.as[i], *c)
			}
		}
	})
	return l
}

var (
	parent = event.Task{Proc: event.Proc{PID: 100, Start: 1}, TID: 100, UID: 1000}
	child  = event.Task{Proc: event.Proc{PID: 101, Start: 2}, TID: 101, UID: 1001}
)

func (l *life) add(who event.Task, b event.Body) event.Entry {
	l.now++
	e := event.Entry{Event: event.Event{Time: l.now, Seq: uint64(l.now), Task: who, Body: b}}
	l.j.Add(&e)
	for _, c := range append([]*event.Conn{e.Conn}, e.Others...) {
		if c != nil && len(l.given) < 10_000 {
			l.given, l.as = append(l.given, c), append(l.as, *c)
		}
	}
	return e
}

func (l *life) call(who event.Task, name string, ret int64, socks ...event.Sock) event.Entry {
	return l.add(who, &event.Call{Name: name, Role: syscalls.RoleOf(name), Ret: ret, Socks: socks})
}

func tcp(cookie, inode uint64, fd int32) event.Sock {
	return event.Sock{ID: event.SockID{Cookie: cookie, Inode: inode}, FD: fd, Family: 2, Type: 1, Protocol: 6, State: 7}
}

func made(s event.Sock) event.Sock   { s.New, s.Result = true, true; return s }
func before(s event.Sock) event.Sock { s.Before = true; return s }

func (l *life) want(e event.Entry, n uint32, first bool, others ...uint32) {
	l.t.Helper()
	got := uint32(0)
	if e.Conn != nil {
		got = e.Conn.N
	}
	var also []uint32
	for _, c := range e.Others {
		also = append(also, c.N)
	}
	if got != n || e.First != first || !reflect.DeepEqual(also, others) {
		l.t.Errorf("at %d: c%d, first %v, others %v; want c%d, %v, %v", e.Time, got, e.First, also, n, first, others)
	}
	if m := map[bool]event.Match{true: event.MatchExact, false: event.MatchNone}[n != 0]; e.Match != m {
		l.t.Errorf("at %d: match %v, want %v", e.Time, e.Match, m)
	}
}

func TestSocket(t *testing.T) {
	l := newLife(t)
	s := tcp(70, 7, 3)
	e := l.call(parent, "socket", 3, made(s))
	l.want(e, 1, true)
	if c := e.Conn; c.Old || c.Owner != parent.Proc || c.First != e.Time || c.Family != 2 || c.ID != s.ID {
		t.Errorf("begun as %+v", c)
	}
	s.State, s.Peer = 2, netip.MustParseAddrPort("10.0.0.5:80")
	e = l.call(parent, "connect", -115, s)
	l.want(e, 1, false)
	s.State, s.Local = 1, netip.MustParseAddrPort("10.0.2.15:48448")
	e = l.call(parent, "sendto", 5, s)
	if c := e.Conn; c.State != 1 || c.Local != s.Local || c.Peer != s.Peer {
		t.Errorf("after sendto: %+v", c)
	}
	same := l.call(parent, "sendto", 5, s)
	if same.Conn != e.Conn {
		t.Error("a connection about which nothing new is known is made again")
	}
	// A socket that is being closed has no addresses; the connection keeps them.
	gone := before(s)
	gone.Local, gone.Peer, gone.State = netip.AddrPort{}, netip.AddrPort{}, 7
	e = l.call(parent, "close", 0, gone)
	l.want(e, 1, false)
	if c := e.Conn; !c.Closed || c.Peer != s.Peer || c.Local != s.Local {
		t.Errorf("after close: %+v", c)
	}
	l.want(l.call(parent, "close", -9), 0, false)
	l.want(l.call(parent, "socket", 3, made(tcp(71, 8, 3))), 2, true) // the same fd
}

func TestFailedCloseClosesNothing(t *testing.T) {
	l := newLife(t)
	l.call(parent, "socket", 3, made(tcp(70, 7, 3)))
	if e := l.call(parent, "close", -9, before(tcp(70, 7, 3))); e.Conn.Closed {
		t.Error("closed by a close that failed")
	}
	if e := l.call(parent, "shutdown", 0, tcp(70, 7, 3)); e.Conn.Closed {
		t.Error("closed by shutdown")
	}
}

func TestAccept(t *testing.T) {
	l := newLife(t)
	listener := tcp(70, 7, 3)
	l.want(l.call(parent, "socket", 3, made(listener)), 1, true)
	listener.State = 10
	l.call(parent, "listen", 0, listener)
	e := l.call(parent, "accept4", 5, listener, made(tcp(71, 8, 5)))
	l.want(e, 1, false, 2)
	if c := e.Others[0]; c.Listener != 1 || c.Old {
		t.Errorf("the accepted one: %+v", c)
	}
	e = l.call(parent, "recvfrom", 5, tcp(71, 8, 5))
	l.want(e, 2, false)
	if e.Conn.Listener != 1 {
		t.Errorf("later: %+v", e.Conn)
	}
	// Another accept, on dup'ed descriptors, does not change that.
	e = l.call(parent, "accept4", 6, listener, made(tcp(72, 9, 6)))
	l.want(e, 1, false, 3)
	if e.Conn.Listener != 0 || e.Others[0].Listener != 1 {
		t.Errorf("the second: %+v, %+v", e.Conn, e.Others[0])
	}
}

func TestSocketpair(t *testing.T) {
	l := newLife(t)
	a, b := tcp(70, 7, 3), tcp(71, 8, 4)
	a.New, b.New = true, true
	e := l.call(parent, "socketpair", 0, a, b)
	l.want(e, 1, true, 2)
	if e.Others[0].Listener != 0 {
		t.Error("the other end has a listener")
	}
}

func TestPollNamesEach(t *testing.T) {
	l := newLife(t)
	l.want(l.call(parent, "poll", 1, tcp(70, 7, 3), tcp(71, 8, 4), tcp(70, 7, 5), event.Sock{FD: 6}), 1, true, 2)
}

func TestDup(t *testing.T) {
	l := newLife(t)
	l.want(l.call(parent, "socket", 3, made(tcp(70, 7, 3))), 1, true)
	l.want(l.call(parent, "dup", 4, tcp(70, 7, 3), made(tcp(70, 7, 4))), 1, false)
	if e := l.call(parent, "close", 0, before(tcp(70, 7, 3))); !e.Conn.Closed {
		t.Error("not closed")
	}
	e := l.call(parent, "sendto", 1, tcp(70, 7, 4))
	l.want(e, 1, false)
	if e.Conn.Closed {
		t.Error("still in use by another descriptor, and said to be closed")
	}
	if e := l.call(parent, "close", 0, before(tcp(70, 7, 4))); !e.Conn.Closed {
		t.Error("not closed the second time")
	}
}

func TestFork(t *testing.T) {
	l := newLife(t)
	l.want(l.call(parent, "socket", 3, made(tcp(70, 7, 3))), 1, true)
	l.add(child, &event.Process{What: event.Fork, Parent: parent.Proc})
	e := l.call(child, "sendto", 1, tcp(70, 7, 3))
	l.want(e, 1, false)
	if e.Conn.Owner != parent.Proc {
		t.Errorf("the owner is %+v", e.Conn.Owner)
	}
	l.call(parent, "close", 0, before(tcp(70, 7, 3)))
	e = l.call(child, "recvfrom", 1, tcp(70, 7, 3))
	l.want(e, 1, false)
	if e.Conn.Closed {
		t.Error("closed, while the child uses it")
	}
}

func TestInodeReuse(t *testing.T) {
	l := newLife(t)
	l.want(l.call(parent, "socket", 3, made(tcp(70, 7, 3))), 1, true)
	l.call(parent, "close", 0, before(tcp(70, 7, 3)))
	e := l.call(parent, "socket", 3, made(tcp(71, 7, 3)))
	l.want(e, 2, true)
	if e.Conn.Closed || e.Conn.ID.Cookie != 71 {
		t.Errorf("the new one: %+v", e.Conn)
	}
	// The old connection continues elsewhere: each keeps its own number.
	l.want(l.call(child, "sendto", 1, tcp(70, 7, 9)), 1, false)
	l.want(l.call(parent, "sendto", 1, tcp(71, 7, 3)), 2, false)
}

func TestCookieLater(t *testing.T) {
	l := newLife(t)
	e := l.call(parent, "socket", 3, made(tcp(0, 7, 3)))
	l.want(e, 1, true)
	e = l.call(parent, "connect", 0, tcp(70, 7, 3))
	l.want(e, 1, false)
	if e.Conn.ID.Cookie != 70 {
		t.Errorf("the cookie is not taken over: %+v", e.Conn.ID)
	}
	// By the cookie only, as in io_uring and packet records.
	e = l.call(parent, "sendto", 0, tcp(70, 0, -1))
	l.want(e, 1, false)
	l.want(l.call(parent, "sendto", 0, tcp(0, 7, 3)), 1, false)
	// An inode that was not known before.
	l.want(l.call(parent, "sendto", 0, tcp(80, 0, -1)), 2, true)
	if e := l.call(parent, "sendto", 0, tcp(80, 18, 4)); e.Conn.N != 2 || e.Conn.ID.Inode != 18 {
		t.Errorf("the inode is not taken over: %+v", e.Conn)
	}
	l.want(l.call(parent, "sendto", 0, tcp(0, 18, 4)), 2, false)
	// No socket at all.
	l.want(l.call(parent, "read", 0, event.Sock{FD: 5}), 0, false)
}

func TestSnapshot(t *testing.T) {
	l := newLife(t)
	unix := event.Sock{ID: event.SockID{Inode: 7}, FD: 3, Family: 1, Type: 1}
	if e := l.add(parent, &event.SockFound{Sock: unix, Path: "\x00bus"}); e.Conn != nil {
		t.Errorf("a socket that nobody has used has a number: c%d", e.Conn.N)
	}
	old := tcp(80, 8, 4)
	old.Peer = netip.MustParseAddrPort("10.0.0.5:80")
	l.add(parent, &event.SockFound{Sock: old})
	unix.ID.Cookie = 70 // known at this point
	e := l.call(parent, "sendto", 1, unix)
	l.want(e, 1, true)
	if c := e.Conn; !c.Old || c.Path != "\x00bus" {
		t.Errorf("%+v", c)
	}
	e = l.call(parent, "sendto", 1, unix)
	l.want(e, 1, false)
	if e.Conn.Path != "\x00bus" {
		t.Error("the path is forgotten")
	}
	e = l.call(parent, "sendto", 1, old)
	l.want(e, 2, true)
	if !e.Conn.Old {
		t.Error("not said to be open before")
	}
	// An inode reused after attach: the path belongs to another socket.
	l.add(parent, &event.SockFound{Sock: event.Sock{ID: event.SockID{Cookie: 90, Inode: 9}, Family: 1}, Path: "/run/old"})
	e = l.call(parent, "socket", 5, made(event.Sock{ID: event.SockID{Cookie: 91, Inode: 9}, FD: 5, Family: 1, Type: 1}))
	if e.Conn.Path != "" {
		t.Errorf("a new socket has the path of an old one: %q", e.Conn.Path)
	}
	// Seen first, found later.
	l.call(parent, "sendto", 1, tcp(95, 95, 6))
	if e := l.add(parent, &event.SockFound{Sock: tcp(95, 95, 6)}); e.Conn != nil && e.Conn.N != 4 {
		t.Errorf("c%d", e.Conn.N)
	}
	l.want(l.call(parent, "sendto", 1, tcp(95, 95, 6)), 4, false)
}

func TestUserNames(t *testing.T) {
	l := newLife(t)
	if e := l.call(parent, "socket", 3); e.User != "" {
		t.Errorf("user %q", e.User)
	}
	l.add(event.Task{}, &event.Name{What: event.NameUser, ID: 1000, Name: "alice"})
	l.add(event.Task{}, &event.Name{What: event.NameIface, ID: 1001, Name: "eth0"})
	if e := l.call(parent, "socket", 3); e.User != "alice" {
		t.Errorf("user %q", e.User)
	}
	if e := l.call(child, "socket", 3); e.User != "" {
		t.Errorf("an interface's name for a user: %q", e.User)
	}
}

// TestForgets checks that closed connections do not accumulate in memory.
func TestForgets(t *testing.T) {
	l := newLife(t)
	const many = 40_000
	for i := uint64(1); i <= many; i++ {
		l.want(l.call(parent, "socket", 3, made(tcp(1000+i, 500_000+i, 3))), uint32(i), true)
		l.call(parent, "close", 0, before(tcp(1000+i, 500_000+i, 3)))
	}
	l.bounded(2 * keepClosed)
	// The latest are still found, the oldest are not.
	l.want(l.call(child, "sendto", 1, tcp(1000+many, 500_000+many, 3)), many, false)
	l.want(l.call(child, "sendto", 1, tcp(1001, 500_001, 3)), many+1, true)
}

func (l *life) bounded(most int) {
	l.t.Helper()
	for name, n := range map[string]int{"cookies": l.j.byCookie.Size(), "inodes": l.j.byInode.Size(), "closed": len(l.j.closed), "found": len(l.j.found)} {
		if n > most {
			l.t.Errorf("%d %s are remembered, want at most %d", n, name, most)
		}
	}
}

// TestKeepsWhatIsInUse checks that a connection which one owner closed is kept while another uses
// it.
func TestKeepsWhatIsInUse(t *testing.T) {
	l := newLife(t)
	kept := tcp(70, 7, 3)
	l.want(l.call(parent, "accept", 3, made(kept)), 1, true)
	l.call(parent, "close", 0, before(kept))
	l.want(l.call(child, "recvfrom", 1, kept), 1, false)
	for i := uint64(1); i <= 40_000; i++ {
		l.call(parent, "socket", 3, made(tcp(1000+i, 500_000+i, 3)))
		l.call(parent, "close", 0, before(tcp(1000+i, 500_000+i, 3)))
	}
	l.want(l.call(child, "sendto", 1, kept), 1, false)
	l.bounded(2*keepClosed + 1)
}

// TestNeverClosed checks that memory is also bounded if processes end without close, and that
// connections in use are kept.
func TestNeverClosed(t *testing.T) {
	l := newLife(t)
	kept := tcp(70, 7, 3)
	l.want(l.call(parent, "socket", 3, made(kept)), 1, true)
	for i := uint64(1); i <= 500_000; i++ {
		who := child
		who.PID = uint32(1000 + i)
		l.call(who, "socket", 3, made(tcp(1000+i, 500_000+i, 3)))
		l.add(who, &event.Process{What: event.Exit})
		if i%1000 == 0 {
			l.want(l.call(parent, "sendto", 1, kept), 1, false)
		}
	}
	l.bounded(300_000)
}

// TestSameTwice checks that the same events give the same entries.
func TestSameTwice(t *testing.T) {
	run := func() (out []string) {
		l := newLife(t)
		for i := range uint64(200) {
			s := tcp(i%7*10, i%11, int32(i%5))
			e := l.call(parent, []string{"socket", "sendto", "close", "accept"}[i%4], 0, s, made(tcp(i%13*10, i%17, 9)))
			out = append(out, fmt.Sprintf("%+v %v", e.Conn, len(e.Others)))
		}
		return out
	}
	if a, b := run(), run(); !reflect.DeepEqual(a, b) {
		t.Error("two runs differ")
	}
}

// TestUnixPath checks the path of connections of AF_UNIX: that of bind and connect, also of one that failed, and the
// listener's for what it accepts.
func TestUnixPath(t *testing.T) {
	l := newLife(t)
	unix := func(cookie uint64, fd int32) event.Sock {
		return event.Sock{ID: event.SockID{Cookie: cookie, Inode: cookie}, FD: fd, Family: 1, Type: 1}
	}
	call := func(name string, ret int64, errno, path string, socks ...event.Sock) event.Entry {
		room := []byte(path) // memory that is used again
		e := l.add(parent, &event.Call{Name: name, Role: syscalls.RoleOf(name), Ret: ret, Errno: errno, Path: string(room), Socks: socks})
		clear(room)
		return e
	}
	path := func(e event.Entry, want string) {
		t.Helper()
		if e.Conn.Path != want {
			t.Errorf("at %d: %q, want %q", e.Time, e.Conn.Path, want)
		}
	}
	path(call("bind", -98, "EADDRINUSE", "/run/other", unix(1, 3)), "")
	path(call("bind", 0, "", "/run/server", unix(1, 3)), "/run/server")
	e := call("accept4", 5, "", "", unix(1, 3), made(unix(2, 5)))
	if len(e.Others) != 1 || e.Others[0].Path != "/run/server" {
		t.Errorf("accepted: %+v", e.Others)
	}
	path(call("read", 1, "", "", unix(2, 5)), "/run/server")
	path(call("connect", -2, "ENOENT", "/run/nscd/socket", unix(3, 6)), "/run/nscd/socket")
	path(call("connect", 0, "", "\x00abstract", unix(4, 7)), "\x00abstract")
	path(call("connect", 0, "", "/another", unix(4, 7)), "\x00abstract")
	path(call("connect", 0, "", "/not/a/path", tcp(5, 5, 8)), "")
}
