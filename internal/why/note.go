package why

import (
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// noter takes the facts of an entry.
type noter struct{ *Engine }

func (g noter) Lost(_ *event.Entry, b *event.Lost) { g.lost[max(b.Layer, event.LayerSys)] += b.Count }

func (g noter) Process(e *event.Entry, b *event.Process) {
	switch {
	case b.What == event.Exec && g.root.PID == 0, b.What == event.Exec && g.root.PID == e.Task.PID:
		g.root = e.Task.Proc
		g.ran = e.Time
	case b.What == event.Exit && e.Task.PID == g.root.PID && e.Task.TID == e.Task.PID:
		g.exited, g.status = e.Time, b.Code
		g.seen(e, event.LayerSys, e.Time, "exit")
	}
}

func (g noter) SockFound(e *event.Entry, b *event.SockFound) {
	// It has no connection before it is used.
	if s := &b.Sock; s.State == stateCloseWait && s.Protocol == event.ProtoTCP && len(g.left) < maxConns {
		g.left = append(g.left, leftOver{local: s.Local, peer: s.Peer, task: e.Task.Clone(), at: evident(e, event.LayerSys, "it was in CLOSE_WAIT already, to "+s.Peer.String())})
	}
}

// States of TCP besides those of package event (include/net/tcp_states.h).
const (
	stateCloseWait = 8
	stateSynRecv   = 3
)

func (g noter) State(e *event.Entry, b *event.State) {
	c := g.conn(e)
	if c == nil {
		return
	}
	c.state = b.To
	if b.TCP.RTT > 0 && (c.rtt == 0 || b.TCP.RTT < c.rtt) {
		c.rtt = b.TCP.RTT
	}
	if b.TCP.MSS > 0 {
		c.mss = int(b.TCP.MSS)
	}
	switch {
	case b.Look:
		if b.To == stateCloseWait && c.closeWait.Seq == 0 {
			c.closeWait = evident(e, event.LayerKrn, "it is in CLOSE_WAIT")
		}
	case b.To == event.TCPSynSent:
		c.client = true
	case b.To == event.TCPEstablished:
		g.connected(e, c)
	case b.To == stateSynRecv, b.To == event.TCPListen:
		c.server = true
	case b.To == stateCloseWait:
		c.closeWait = evident(e, event.LayerKrn, "the peer closed, FIN received")
	case b.To == event.TCPClose:
		c.closedAt = e.Time
	}
}

// connected notes the end of a handshake.
func (g noter) connected(e *event.Entry, c *conn) {
	if c.up == 0 {
		c.up = e.Time
		g.succeeded(success{at: e.Time, pid: c.task.PID, connected: c.client, family: c.Family, peer: c.Peer})
	}
}

func (g noter) Call(e *event.Entry, b *event.Call) {
	if b.State == event.Waiting {
		return
	}
	c := g.conn(e)
	g.seen(e, event.LayerSys, e.Time, b.Name)
	g.seen(e, event.LayerSys, e.Time+b.Dur, b.Name)
	g.spins(e, b, c)
	g.idles(e, b, c)
	if b.Errno != "" {
		g.failedCall(e, b, c)
	} else if b.Role.Has(event.Opens | event.Binds | event.Listens | event.Accepts | event.Connects) {
		if b.Role.Has(event.Connects) && c != nil && (c.Type == sockStream || c.Family == afUnix) {
			c.client = true
			if c.Family == afUnix {
				g.succeeded(success{at: e.Time + b.Dur, pid: e.Task.PID, connected: true, unix: true})
			} else if c.tcp() {
				g.connected(e, c)
			}
		} else {
			g.succeeded(success{at: e.Time + b.Dur, pid: e.Task.PID, what: b.Name})
		}
	}
	if c == nil {
		return
	}
	if c.Family == afUnix && b.Dur >= 100*millisecond && c.sends > 0 && (b.Role.Has(event.Sends) || b.Role.Has(event.Waits) && b.Ret == 0 && room(b)) {
		c.stuck.add(evident(e, event.LayerSys, b.Name+"() waited "+since(b.Dur)+" for room to send"))
		c.stuckFor += b.Dur
	}
	if c.Type == sockDgram && c.sent > 0 && b.Dur >= 100*millisecond && (b.Role.Has(event.Waits) && b.Ret == 0 || b.Role.Has(event.Receives) && b.Errno != "") {
		c.unheard.add(evident(e, event.LayerSys, b.Name+"() waited "+since(b.Dur)+" for nothing"))
		c.unheardFor += b.Dur
	}
	switch {
	case b.Role.Has(event.Accepts):
		c.server = true
		for _, n := range e.Others {
			if child := g.conns[n.N]; child != nil {
				child.server = true
			}
		}
	case b.Role.Has(event.SetsOption):
		g.option(b, c)
	case b.Role.Has(event.Receives) && b.Ret == 0 && c.tcp() && len(b.Args) > 2 && b.Args[2].Raw > 0:
		if c.eof.Seq == 0 {
			c.eof = evident(e, event.LayerSys, b.Name+"() = 0: the end of the stream")
		}
	case b.Role.Has(event.Closes):
		if c.Closed && c.closedAt == 0 {
			c.closedAt = e.Time
		}
	}
	if b.Role.Has(event.Sends) && b.Bytes > 0 {
		c.sends++
		c.tiny[0].add(e, b)
		c.called[0] += c.moved(b)
	} else if b.Role.Has(event.Receives) && b.Bytes > 0 {
		c.tiny[1].add(e, b)
		if !peeks(b) {
			c.called[1] += c.moved(b)
		}
	}
}

// moved returns how much a call has moved: bytes of a stream, or datagrams.
func (c *conn) moved(b *event.Call) int64 {
	switch {
	case c.tcp():
		return b.Bytes
	case b.Name == "sendmmsg" || b.Name == "recvmmsg":
		return b.Ret
	}
	return 1
}

// peeks reports whether a call leaves what it has received (MSG_PEEK), or may have received nothing of the stream
// (MSG_ERRQUEUE, MSG_OOB).
func peeks(b *event.Call) bool {
	const oob, peek, errqueue = 1, 2, 0x2000
	for i := range b.Args {
		if b.Args[i].Name == "flags" && b.Args[i].Raw&(oob|peek|errqueue) != 0 {
			return true
		}
	}
	return false
}

// room reports whether a call of poll waits for room to send.
func room(b *event.Call) bool {
	const pollOut = 4
	for i := range b.Args {
		for _, t := range b.Args[i].Val {
			if t.Name == "events" && t.Num&pollOut != 0 {
				return true
			}
		}
	}
	return false
}

// option notes the options of a socket that limit it.
func (g noter) option(b *event.Call, c *conn) {
	if b.Errno != "" || len(b.Args) < 3 {
		return
	}
	const (
		solSocket, soSndbuf, soRcvbuf, soSndbufForce, soRcvbufForce = 1, 7, 8, 32, 33
		tcpNoDelay, tcpCork                                         = 1, 3
	)
	switch level, name := b.Args[1].Raw, b.Args[2].Raw; {
	case level == solSocket && (name == soRcvbuf || name == soRcvbufForce):
		c.rcvbuf = true
	case level == solSocket && (name == soSndbuf || name == soSndbufForce):
		c.sndbuf = true
	case level == event.ProtoTCP && name == tcpNoDelay:
		c.noDelay = true
	case level == event.ProtoTCP && name == tcpCork:
		c.cork = true
	}
}

// failedCall notes a call that failed.
func (g noter) failedCall(e *event.Entry, b *event.Call, c *conn) {
	switch b.Errno {
	case "EINPROGRESS", "EALREADY", "EISCONN", "EINTR", "ENOTCONN", "ENOENT", "ENOPROTOOPT", "EOPNOTSUPP", "ERESTARTSYS":
		if !b.Role.Has(event.Connects) || b.Errno != "ENOENT" {
			if b.Role.Has(event.Connects) && c != nil {
				c.client = true
			}
			return
		}
	case "EAGAIN", "EWOULDBLOCK":
		if !b.Role.Has(event.Connects | event.Sends) {
			return
		}
	}
	text := b.Name + "() = -1 " + b.Errno
	if b.Refused {
		text += ", refused by seccomp"
	}
	v := evident(e, event.LayerSys, text)
	if c != nil {
		if b.Role.Has(event.Connects) {
			c.client = true
			c.errno, c.failed = b.Errno, v
		}
		for i := range c.errors {
			if f := &c.errors[i]; f.call == b.Name && f.errno == b.Errno {
				f.hits.add(v)
				return
			}
		}
		if len(c.errors) < 16 {
			f := failure{call: b.Name, errno: b.Errno, task: c.task, conn: c, took: b.Dur, refused: b.Refused, role: b.Role, addr: b.Addr}
			f.hits.add(v)
			c.errors = append(c.errors, f)
		}
		return
	}
	for _, f := range g.failures {
		if f.call == b.Name && f.errno == b.Errno {
			f.hits.add(v)
			return
		}
	}
	if len(g.failures) < maxFailures {
		f := &failure{call: b.Name, errno: b.Errno, task: e.Task.Clone(), took: b.Dur, refused: b.Refused, role: b.Role, addr: b.Addr}
		f.hits.add(v)
		g.failures = append(g.failures, f)
	}
}

func (g noter) Capture(e *event.Entry, b *event.Capture) {
	c := g.conn(e)
	if c == nil || b.NoIP {
		return
	}
	g.seen(e, event.LayerPkt, e.Time, "a packet")
	if b.Made == event.MadeICMP {
		if !isError(b.Proto == event.ProtoICMPv6, b.ICMP.Type) {
			return
		}
		c.code = [2]uint8{b.ICMP.Type, b.ICMP.Code}
		c.v6 = b.Proto == event.ProtoICMPv6
		c.router = b.Src.Addr()
		c.icmp.add(evident(e, event.LayerPkt, "ICMP "+icmpName(c.v6, c.code)+" from "+c.router.String()))
		return
	}
	out := b.Dir == event.DirOut
	if b.Proto == event.ProtoUDP {
		c.seen[dirOf(out)]++
		c.data(e.Time, out, int64(b.Length)-8)
		return
	}
	if b.Proto != event.ProtoTCP || !b.TCP.Valid {
		return
	}
	g.segment(e, b, c, out)
}

func dirOf(out bool) int {
	if out {
		return 0
	}
	return 1
}

func (c *conn) data(at int64, out bool, n int64) {
	if out {
		c.sent += n
		c.lastOut = at
		return
	}
	c.received += n
	c.lastIn = at
}

func (g noter) segment(e *event.Entry, b *event.Capture, c *conn, out bool) {
	t := &b.TCP
	syn, ack, fin, rst := t.Flags&event.TCPSyn != 0, t.Flags&event.TCPAck != 0, t.Flags&event.TCPFin != 0, t.Flags&event.TCPRst != 0
	switch {
	case out && syn && !ack:
		c.client = true
		c.syn.add(evident(e, event.LayerPkt, "SYN sent"))
	case !out && syn && ack:
		c.synAck.add(evident(e, event.LayerPkt, "SYN-ACK received"))
	case !out && syn:
		c.server = true
	case !out && rst:
		c.rstIn.add(evident(e, event.LayerPkt, "RST received"))
	}
	if fin && out {
		c.finOut.add(evident(e, event.LayerPkt, "FIN sent"))
	} else if fin {
		c.finIn.add(evident(e, event.LayerPkt, "FIN received"))
	}
	if s := &c.streams[dirOf(out)]; syn {
		s.next, s.known = t.Seq+1, true
	} else if t.Length > 0 || fin {
		s.follow(t.Seq, t.Length)
		c.seen[dirOf(out)] += int64(t.Length)
	}
	if !syn && !rst {
		g.window(e, c, t, out)
		c.trips.segment(e, t, out)
	}
	if out && ack && len(t.Options) > 0 && sacks(t.Options) {
		c.sack.add(evident(e, event.LayerPkt, "an acknowledgment with SACK: what is before is missing"))
	}
	if t.Length == 0 {
		return
	}
	if end := t.Seq + t.Length; out {
		if c.seqKnown && int32(end-c.seqOut) <= 0 {
			v := evident(e, event.LayerPkt, "sent again")
			c.again.add(v)
			if c.mss > 0 && int(t.Length) >= c.mss-12-40 {
				c.againBig.add(v)
			}
		} else {
			c.seqOut, c.seqKnown = end, true
		}
	}
	c.data(e.Time, out, int64(t.Length))
}

// window notes windows that close and open.
func (g noter) window(e *event.Entry, c *conn, t *event.TCPHeader, out bool) {
	d, h := 0, &c.zeroIn
	text := "the peer's window is 0"
	if out {
		d, h, text = 1, &c.zeroOut, "our window is 0"
	}
	switch {
	case t.Win == 0 && c.zeroSince[d] == 0:
		c.zeroSince[d] = e.Time
		h.add(evident(e, event.LayerPkt, text))
	case t.Win != 0 && c.zeroSince[d] != 0:
		c.zeroSince[d] = 0
	}
}

// sacks reports whether the options of a segment have SACK blocks (RFC 2018).
func sacks(o []byte) bool {
	for len(o) > 0 {
		switch {
		case o[0] == 0:
			return false
		case o[0] == 1:
			o = o[1:]
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return false
		case o[0] == 5:
			return true
		default:
			o = o[o[1]:]
		}
	}
	return false
}

// maxFacts bounds the facts that are kept.
const maxFacts = 256

func (g noter) Fact(e *event.Entry, b *event.Fact) {
	if len(g.known) < maxFacts {
		g.known = append(g.known, fact{pid: e.Task.PID, name: strings.Clone(b.Name), text: strings.Clone(b.Text), at: evident(e, event.LayerSys, b.Name+" "+b.Text)})
	}
}

func (g noter) Kernel(e *event.Entry, b *event.Kernel) {
	if b.What != event.KernelEvent {
		return
	}
	if b.Name == "task:gap" {
		g.gap(e, b)
		return
	}
	c := g.conn(e)
	if c == nil {
		return
	}
	switch b.Name {
	case "skb:drop":
		c.drop(e, b, c.leaves(b))
	case "tcp:listen-overflow":
		c.overflow.add(evident(e, event.LayerKrn, "a connection was refused: the queue is full"))
	case "tcp:reset-sent":
		c.resetSent = b.Reason
		if c.resetSent == "" {
			c.resetSent = field(b.Fields, "reason")
		}
		c.reset.add(evident(e, event.LayerKrn, "RST sent: "+c.resetSent))
	case "tcp:retransmit":
		c.resent.add(evident(e, event.LayerKrn, "sent again"))
	case "neigh:failed":
		c.neighbour.add(evident(e, event.LayerKrn, "the neighbour did not answer"))
	case "sock:rcvqueue-full":
		c.full.add(evident(e, event.LayerKrn, "the receive queue is full"))
	}
}

// leaves reports whether a packet that was dropped is one of this end's. The event does not say so: its flags tell it
// during a handshake, and else what comes in does so in a softirq.
func (c *conn) leaves(b *event.Kernel) bool {
	switch flags := field(b.Fields, "flags"); {
	case flags == "S":
		return c.client
	case flags == "S.":
		return !c.client
	}
	return b.Context == event.ContextTask
}

// drop notes a packet that this host has dropped.
func (c *conn) drop(e *event.Entry, b *event.Kernel, out bool) {
	for i := range c.drops {
		if d := &c.drops[i]; d.reason == b.Reason && d.out == out {
			d.add(evident(e, event.LayerKrn, "dropped: "+b.Reason))
			return
		}
	}
	if len(c.drops) < 16 {
		d := drop{reason: strings.Clone(b.Reason), out: out}
		d.add(evident(e, event.LayerKrn, "dropped: "+b.Reason))
		c.drops = append(c.drops, d)
	}
}

// field returns the text of a field of a kernel event.
func field(args []event.Arg, name string) string {
	for i := range args {
		if args[i].Name == name && len(args[i].Val) > 0 {
			return strings.Clone(args[i].Val[0].Str)
		}
	}
	return ""
}

// Other bodies tell nothing.

func (noter) Handover(*event.Entry, *event.Handover) {}
func (noter) Audit(*event.Entry, *event.Audit)       {}
func (noter) Ready(*event.Entry, *event.Ready)       {}
func (noter) Name(*event.Entry, *event.Name)         {}
func (noter) Symbol(*event.Entry, *event.Symbol)     {}
func (noter) Note(*event.Entry, *event.Note)         {}
func (noter) Clock(*event.Entry, *event.Clock)       {}
func (noter) End(*event.Entry, *event.End)           {}
func (noter) Unknown(*event.Entry, *event.Unknown)   {}
func (noter) Verdict(*event.Entry, *event.Verdict)   {}
