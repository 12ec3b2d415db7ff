// Package jsonl writes the timeline as JSON lines, one object per line, by the schema in
// docs/schema.json. 64-bit integers that a JSON number cannot represent are strings.
package jsonl

import (
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
	"github.com/pidwire/pidwire/internal/sink/text"
)

// Options control the contents of lines.
type Options struct {
	Notation notation.Options
	Packets  tcpdump.Options
	Start    int64 // ns since the epoch: the zero of t_ns
}

// Sink writes lines to w. It is buffered.
type Sink struct {
	w      io.Writer
	o      Options
	b      []byte
	text   []byte
	lost   [event.Layers]uint64
	reason string
	err    error

	// Encoded parts of the previous line, which the next one often needs again.
	second int64 // second of date; math.MinInt64: none
	date   []byte
	task   taskKey
	proc   []byte
	conn   *event.Conn // compared by pointer
	fd     int32
	ends   []byte
}

// taskKey has the values in the process object.
type taskKey struct {
	task event.Task
	user string
}

const flushAt = 32 << 10

// New returns a sink that writes to w.
func New(w io.Writer, o Options) *Sink {
	o.Notation.Style = nil
	return &Sink{w: w, o: o, reason: "cut", second: math.MinInt64}
}

// Write appends the line of an entry.
func (s *Sink) Write(e *event.Entry) error {
	if s.err != nil {
		return s.err
	}
	e.Visit(lines{s})
	if len(s.b) > flushAt {
		return s.Flush()
	}
	return nil
}

// Flush writes the buffer.
func (s *Sink) Flush() error {
	if len(s.b) > 0 && s.err == nil {
		_, s.err = s.w.Write(s.b)
		s.b = s.b[:0]
	}
	return s.err
}

// Close writes the last line, which has the reason for the end and the number of lost records.
func (s *Sink) Close() error {
	s.raw(`{"v":1,"type":"end","reason":`).str(s.reason).raw(`,"lost":{"sys":`).uint(s.lost[event.LayerSys])
	for l := event.LayerSys + 1; l < event.Layers; l++ {
		if s.lost[l] > 0 {
			s.raw(`,"`).raw(l.String()).raw(`":`).uint(s.lost[l])
		}
	}
	s.raw("}}\n")
	return s.Flush()
}

func (s *Sink) raw(t string) *Sink  { s.b = append(s.b, t...); return s }
func (s *Sink) str(t string) *Sink  { s.b = clean.AppendJSON(s.b, t); return s }
func (s *Sink) uint(n uint64) *Sink { s.b = strconv.AppendUint(s.b, n, 10); return s }
func (s *Sink) bool(b bool) *Sink   { s.b = strconv.AppendBool(s.b, b); return s }
func (s *Sink) int(n int64) *Sink   { s.b = strconv.AppendInt(s.b, n, 10); return s }

func (s *Sink) begin(e *event.Entry, typ, layer string) {
	s.raw(`{"v":1,"type":"`).raw(typ).raw(`","layer":"`).raw(layer).raw(`","time":"`)
	s.time(e.Time)
	s.raw(`","t_ns":`).int(e.Time - s.o.Start)
	if e.Slack != 0 {
		s.raw(`,"slack_ns":`).int(e.Slack)
	}
	s.raw(`,"seq":`).uint(e.Seq)
}

// time appends a time in the format of RFC 3339, with nanoseconds.
func (s *Sink) time(ns int64) {
	second := ns / 1e9
	if ns %= 1e9; ns < 0 {
		second, ns = second-1, ns+1e9
	}
	if second != s.second {
		s.second = second
		s.date = time.Unix(second, 0).UTC().AppendFormat(s.date[:0], "2006-01-02T15:04:05.")
	}
	s.b = append(s.b, s.date...)
	at := len(s.b)
	s.b = append(s.b, "000000000Z"...)
	for i := at + 8; ns > 0; i, ns = i-1, ns/10 {
		s.b[i] = byte('0' + ns%10)
	}
}

func (s *Sink) end(e *event.Entry) {
	for i, w := range e.Warn {
		if i == 0 {
			s.raw(`,"warn":[`)
		} else {
			s.raw(",")
		}
		s.str(w)
	}
	if len(e.Warn) > 0 {
		s.raw("]")
	}
	s.raw("}\n")
}

// identity writes conn, match, process, network and socket.
func (s *Sink) identity(e *event.Entry) {
	if e.Cause != 0 {
		s.raw(`,"cause":`).uint(e.Cause)
	}
	if e.Conn != nil {
		s.raw(`,"conn":"c`).uint(uint64(e.Conn.N)).raw(`"`)
	}
	if len(e.Others) > 0 {
		s.raw(`,"conns":[`)
		for i, c := range e.Others {
			if i > 0 {
				s.raw(",")
			}
			s.raw(`"c`).uint(uint64(c.N)).raw(`"`)
		}
		s.raw("]")
	}
	s.raw(`,"match":"`).raw(e.Match.String()).raw(`"`)
	if _, packet := e.Body.(*event.Capture); (packet || e.Task.Bare) && e.Task.PID == 0 {
		// A file of another tool may have no process.
	} else if key := (taskKey{e.Task, e.User}); len(s.proc) > 0 && key == s.task {
		s.b = append(s.b, s.proc...)
	} else {
		at := len(s.b)
		s.openProcess(e)
		s.raw("}")
		s.proc = append(s.proc[:0], s.b[at:]...)
		// Clone the strings: they may be in memory that is reused.
		key.task.Comm, key.user = strings.Clone(key.task.Comm), strings.Clone(key.user)
		s.task = key
	}
	c := e.Conn
	if c == nil {
		return
	}
	fd := int32(-1)
	if call, ok := e.Body.(*event.Call); ok && len(call.Socks) > 0 {
		fd = call.Socks[0].FD
	}
	if m, ok := e.Body.(*event.Message); ok {
		s.network(c, m)
		s.socket(c, fd)
		return
	}
	if c == s.conn && fd == s.fd {
		s.b = append(s.b, s.ends...)
		return
	}
	at := len(s.b)
	s.network(c, nil)
	s.socket(c, fd)
	s.ends = append(s.ends[:0], s.b[at:]...)
	s.conn, s.fd = c, fd
}

// openProcess opens the process object.
func (s *Sink) openProcess(e *event.Entry) {
	s.raw(`,"process":{"pid":`).uint(uint64(e.Task.PID))
	if e.Task.Bare {
		if e.Task.Comm != "" {
			s.raw(`,"executable":{"name":`).str(e.Task.Comm).raw("}")
		}
		return
	}
	s.raw(`,"tid":`).uint(uint64(e.Task.TID))
	if e.Task.NSPID != 0 && e.Task.NSPID != e.Task.PID {
		s.raw(`,"namespace":{"pid":`).uint(uint64(e.Task.NSPID))
		if e.Task.NSTID != 0 {
			s.raw(`,"tid":`).uint(uint64(e.Task.NSTID))
		}
		s.raw("}")
	}
	s.raw(`,"start":`).uint(e.Task.Start)
	s.raw(`,"executable":{"name":`).str(e.Task.Comm)
	if p, ok := e.Body.(*event.Process); ok && p.Exe != "" {
		s.raw(`,"path":`).str(p.Exe)
	}
	s.raw("}")
	s.raw(`,"user":{"id":`).uint(uint64(e.Task.UID))
	if e.User != "" {
		s.raw(`,"name":`).str(e.User)
	}
	s.raw("}")
}

// network writes the object network, with the protocol of m if that is not nil.
func (s *Sink) network(c *event.Conn, m *event.Message) {
	transport, typ := names(c)
	if transport == "" && typ == "" && m == nil {
		return
	}
	s.raw(`,"network":{`)
	first := true
	field := func(name string) *Sink {
		if !first {
			s.raw(",")
		}
		first = false
		return s.raw(`"`).raw(name).raw(`":`)
	}
	if transport != "" {
		field("transport").str(transport)
	}
	if typ != "" {
		field("type").str(typ)
	}
	s.addr(field, "local", c.Local, c.LocalName, madeFrom(c.LocalMade))
	from := c.PeerFrom
	if c.PeerMade {
		from = event.FromFile
	}
	s.addr(field, "peer", c.Peer, c.PeerName, from)
	if c.Path != "" {
		field("local").raw(`{"address":`).str(c.Path).raw("}")
	}
	if m != nil {
		if !first {
			s.raw(",")
		}
		s.protocol(m)
	}
	s.raw("}")
}

func madeFrom(made bool) event.NameFrom {
	if made {
		return event.FromFile
	}
	return event.FromNowhere
}

func (s *Sink) addr(field func(string) *Sink, name string, a netip.AddrPort, host string, from event.NameFrom) {
	if !a.IsValid() {
		return
	}
	field(name).raw("{")
	if from != event.FromFile {
		s.raw(`"address":"`)
		s.b = a.Addr().AppendTo(s.b)
		s.raw(`",`)
	}
	s.raw(`"port":`).uint(uint64(a.Port()))
	if host != "" {
		s.raw(`,"name":`).str(host)
		if word := from.String(); word != "" {
			s.raw(`,"name_from":"`).raw(word).raw(`"`)
		}
	}
	s.raw("}")
}

// names returns network.transport and network.type of OpenTelemetry.
func names(c *event.Conn) (transport, typ string) {
	switch c.Family {
	case 1:
		return "unix", ""
	case 2:
		typ = "ipv4"
	case 10:
		typ = "ipv6"
	default:
		return "", ""
	}
	switch c.Protocol {
	case 6, 262:
		return "tcp", typ
	case 17, 136:
		return "udp", typ
	case 132:
		return "sctp", typ
	}
	return "", typ
}

func (s *Sink) socket(c *event.Conn, fd int32) {
	if c.Family == 0 && c.ID == (event.SockID{}) && fd < 0 {
		return // nothing is known of the socket
	}
	s.raw(`,"socket":{`)
	if c.ID.Cookie != 0 {
		s.raw(`"cookie":"`).uint(c.ID.Cookie).raw(`",`)
	}
	// A socket that is known only from packets has no inode.
	if c.ID.Inode != 0 {
		s.raw(`"inode":"`).uint(c.ID.Inode).raw(`",`)
	}
	if c.NetNS != 0 {
		s.raw(`"netns":"`).uint(uint64(c.NetNS)).raw(`",`)
	}
	if fd >= 0 {
		s.raw(`"fd":`).int(int64(fd)).raw(",")
	}
	s.raw(`"family":`).uint(uint64(c.Family)).raw(`,"type":`).uint(uint64(c.Type)).raw(`,"protocol":`).uint(uint64(c.Protocol))
	if st := notation.TCPState(c.Family, c.Protocol, c.State); st != "" {
		s.raw(`,"state":"`).raw(st).raw(`"`)
	}
	if c.Found {
		s.raw(`,"open_before":true`)
	}
	if c.Listener != 0 {
		s.raw(`,"listener":"c`).uint(uint64(c.Listener)).raw(`"`)
	}
	s.raw("}")
}

func (s *Sink) call(c *event.Call, timed bool) {
	s.raw(`,"syscall":{"name":`).str(c.Name)
	if !c.Foreign {
		s.raw(`,"abi":"`).raw(c.ABI.String()).raw(`","number":`).uint(uint64(c.NR))
	}
	if c.Via != "" {
		s.raw(`,"via":`).str(c.Via)
	}
	s.text = notation.AppendCall(s.text[:0], c, &s.o.Notation)
	s.raw(`,"text":`)
	s.b = clean.AppendJSON(s.b, s.text)
	s.raw(`,"args":[`)
	for i := range c.Args {
		a := &c.Args[i]
		if i > 0 {
			s.raw(",")
		}
		s.raw(`{"name":`).str(a.Name)
		if !a.Unknown {
			s.raw(`,"raw":"`).uint(a.Raw).raw(`"`)
		}
		if len(a.Val) > 0 {
			s.text = notation.AppendTape(s.text[:0], a.Val, &s.o.Notation)
			s.raw(`,"text":`)
			s.b = clean.AppendJSON(s.b, s.text)
		}
		s.raw("}")
	}
	s.raw("]")
	switch c.State {
	case event.Waiting:
		s.raw(`,"state":"waiting"`)
	case event.Unfinished:
		s.raw(`,"state":"unfinished"`)
	default:
		s.raw(`,"state":"returned","result":`).int(c.Ret)
	}
	if timed && !c.Refused {
		s.raw(`,"duration_ns":`).int(c.Dur)
	}
	if c.Bytes != 0 {
		if c.In {
			s.raw(`,"bytes_in":`).int(c.Bytes)
		} else {
			s.raw(`,"bytes_out":`).int(c.Bytes)
		}
	}
	if c.Redacted {
		s.raw(`,"redacted":true`)
	}
	if c.Cut {
		s.raw(`,"cut":true`)
	}
	if c.Refused {
		s.raw(`,"refused":true`)
	}
	s.raw("}")
	if c.Errno != "" {
		s.raw(`,"error":{"type":`).str(c.Errno).raw("}")
	}
}

func (s *Sink) audit(a *event.Audit) {
	s.raw(`,"audit":{"serial":"`).uint(a.Serial).raw(`","time":"`)
	s.time(a.Stamp)
	s.raw(`","types":[`)
	for i, t := range a.Types {
		if i > 0 {
			s.raw(",")
		}
		s.str(t)
	}
	s.raw(`],"call_seen":`).bool(a.Joined)
	if a.Missing {
		s.raw(`,"missing":true`)
	}
	if a.Denial {
		s.raw(`,"denial":true`)
	}
	number := func(name string, n, none uint32) {
		if n != none {
			s.raw(`,"`).raw(name).raw(`":`).uint(uint64(n))
		}
	}
	text := func(name, v string) {
		if v != "" {
			s.raw(`,"`).raw(name).raw(`":`).str(v)
		}
	}
	number("auid", a.AUID, event.Unset)
	text("auid_name", a.AUIDName)
	number("uid", a.UID, event.Unset)
	number("session", a.Session, event.Unset)
	number("ppid", a.PPID, 0)
	text("tty", a.TTY)
	text("exe", a.Exe)
	text("key", a.Key)
	text("subj", a.Subject)
	text("text", a.What)
	if len(a.Addr) > 0 {
		s.text = notation.AppendTape(s.text[:0], a.Addr, &s.o.Notation)
		s.raw(`,"`).raw(a.AddrRole).raw(`":`)
		s.b = clean.AppendJSON(s.b, s.text)
	}
	s.raw("}")
}

// kernel writes a kernel event. Fields that the tracer does not have are absent.
func (s *Sink) kernel(k *event.Kernel) {
	s.raw(`,"kernel":{"what":"`).raw(k.What.String()).raw(`","tracer":"`).raw(k.Tracer.String()).raw(`"`)
	name := "function"
	if k.What == event.KernelEvent {
		name = "event"
	}
	field := func(name, v string) {
		if v != "" {
			s.raw(`,"`).raw(name).raw(`":`).str(v)
		}
	}
	field(name, k.Name)
	field("module", k.Module)
	field("in", k.Func)
	s.raw(`,"depth":`).uint(uint64(max(k.Depth, 0)))
	if k.Tracer == event.Pidwire {
		s.ours(k)
	} else {
		field("arguments", k.Args)
		if k.HasRet {
			s.raw(`,"return":`).str(k.Ret)
		}
	}
	if k.Dur >= 0 {
		s.raw(`,"duration_ns":`).int(k.Dur)
	}
	if k.Dir != event.DirUnknown {
		s.raw(`,"direction":"`).raw(k.Dir.String()).raw(`"`)
	}
	if k.Bytes >= 0 {
		s.raw(`,"bytes":`).int(k.Bytes)
	}
	field("flags", k.Flags)
	field("from", k.From)
	field("to", k.To)
	field("text", k.Text)
	s.raw("}")
	if k.Errno != "" {
		s.raw(`,"error":{"type":`).str(k.Errno).raw("}")
	}
}

// ours writes the fields that only pidwire's own kernel events have.
func (s *Sink) ours(k *event.Kernel) {
	if len(k.Fields) > 0 {
		s.raw(`,"arguments":{`)
		for i := range k.Fields {
			f := &k.Fields[i]
			if i > 0 {
				s.raw(",")
			}
			s.raw(`"`).raw(f.Name).raw(`":`)
			switch t := f.Val; {
			case len(t) == 1 && (t[0].Kind == event.TUint || t[0].Kind == event.TDur):
				s.uint(t[0].Num)
			default:
				s.text = notation.AppendTape(s.text[:0], t, &s.o.Notation)
				s.b = clean.AppendJSON(s.b, s.text)
			}
		}
		s.raw("}")
	}
	if k.HasRet {
		s.raw(`,"result":`).int(k.Ret64)
	}
	if k.Reason != "" {
		s.raw(`,"reason":`).str(k.Reason)
	}
	s.raw(`,"context":"`).raw(k.Context.String()).raw(`","cpu":`).int(int64(k.CPU))
	if len(k.Path)+k.Around > 0 {
		s.raw(`,"around":`).uint(uint64(k.Around))
		s.frames("entered", k.Path)
	}
	s.frames("stack", k.Stack)
	s.frames("user_stack", k.UserStack)
	if k.OnTID != 0 {
		s.raw(`,"on_time_of":{"tid":`).uint(uint64(k.OnTID)).raw(`,"name":`).str(k.OnComm).raw("}")
	}
}

func (s *Sink) frames(name string, list []event.Frame) {
	if len(list) == 0 {
		return
	}
	s.raw(`,"`).raw(name).raw(`":[`)
	for i := range list {
		f := &list[i]
		if i > 0 {
			s.raw(",")
		}
		s.raw(`{"address":"`).uint(f.Addr).raw(`"`)
		if f.Name != "" {
			s.raw(`,"function":`).str(f.Name).raw(`,"offset":`).uint(f.Offset)
		}
		if f.File != "" {
			s.raw(`,"file":`).str(f.File)
		}
		s.raw("}")
	}
	s.raw("]")
}

func (s *Sink) packet(c *event.Conn, p *event.Capture) {
	s.raw(`,"packet":{"direction":"`).raw(p.Dir.String()).raw(`","length":`).uint(uint64(p.Len)).raw(`,"captured":`).uint(uint64(p.Captured))
	if p.NoIP {
		s.raw(`,"ethertype":`).uint(uint64(p.Ether))
	}
	o := &s.o.Packets
	if c != nil && (c.LocalMade || c.PeerMade) {
		named := *o
		named.Name, o = c.MadeName, &named
	}
	s.text = text.AppendPacket(s.text[:0], p, o)
	s.raw(`,"text":`)
	s.b = clean.AppendJSON(s.b, s.text)
	if p.Made != event.MadeSocket {
		s.raw(`,"made_by":"`).raw(p.Made.String()).raw(`"`)
	}
	if p.Wire {
		s.raw(`,"seen_at":"device"`)
	}
	if p.Owner != 0 {
		s.raw(`,"owner":{"evidence":"`).raw(p.Owner.String()).raw(`"`)
		if p.Inherited {
			s.raw(`,"inherited":true`)
		}
		if p.Handed {
			s.raw(`,"handed_over":true`)
		}
		s.raw("}")
	}
	if p.Proto == event.ProtoTCP && p.TCP.Valid {
		s.raw(`,"tcp":{"flags":[`)
		first := true
		for i, name := range tcpFlags {
			if p.TCP.Flags>>i&1 == 0 {
				continue
			}
			if !first {
				s.raw(",")
			}
			first = false
			s.raw(`"`).raw(name).raw(`"`)
		}
		s.raw(`],"seq":`).uint(uint64(p.TCP.Seq)).raw(`,"ack":`).uint(uint64(p.TCP.Ack)).
			raw(`,"window":`).uint(uint64(p.TCP.Win)).raw(`,"length":`).uint(uint64(p.TCP.Length)).raw("}")
	}
	s.raw("}")
}

// state writes a change of the state of a TCP socket, or a look at it.
func (s *Sink) state(b *event.State) {
	c := &b.TCP
	name := func(state uint8) string { return notation.TCPState(b.Sock.Family, b.Sock.Protocol, state) }
	s.raw(`,"state":{"from":"`).raw(name(b.From)).raw(`","to":"`).raw(name(b.To)).raw(`","look":`).bool(b.Look)
	if cause := notation.StateCause(b); cause != "" {
		s.raw(`,"cause":`).str(cause)
	}
	if b.Err != 0 {
		s.raw(`,"errno":`).uint(uint64(b.Err))
	}
	s.raw(`,"bytes_sent":`).uint(c.Sent).raw(`,"bytes_acked":`).uint(c.Acked).raw(`,"bytes_received":`).uint(c.Received).raw(`,"bytes_retransmitted":`).uint(c.Resent)
	s.raw(`,"segments_out":`).uint(uint64(c.SegsOut)).raw(`,"segments_in":`).uint(uint64(c.SegsIn))
	s.raw(`,"retransmits":`).uint(uint64(c.Retrans))
	s.raw(`,"rtt_ns":`).int(c.RTT).raw(`,"rttvar_ns":`).int(c.RTTVar)
	s.raw(`,"cwnd":`).uint(uint64(c.Cwnd)).raw(`,"ssthresh":`).uint(uint64(c.SSThresh)).raw(`,"mss":`).uint(uint64(c.MSS))
	s.raw(`,"unsent":`).uint(uint64(c.Unsent)).raw(`,"unacked":`).uint(uint64(c.Unacked)).raw(`,"unread":`).uint(uint64(c.Unread))
	s.users(b.Users)
	s.raw("}")
}

func (s *Sink) users(list *event.Users) {
	if list == nil {
		return
	}
	s.raw(`,"users":[`)
	more := false
	for i := range list {
		u := &list[i]
		if u.What == 0 {
			continue
		}
		if more {
			s.raw(",")
		}
		more = true
		s.raw(`{"evidence":"`).raw(u.What.String()).raw(`"`)
		if u.Inherited {
			s.raw(`,"inherited":true`)
		}
		s.raw(`,"t_ns":`).int(u.Time - s.o.Start).raw(`,"pid":`).uint(uint64(u.Task.PID)).raw(`,"tid":`).uint(uint64(u.Task.TID))
		s.raw(`,"name":`).str(u.Task.Comm).raw("}")
	}
	s.raw("]")
}

// tcpFlags has the names of TCP flags from the lowest bit (RFC 9293).
var tcpFlags = [...]string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"}

func (s *Sink) process(e *event.Entry, p *event.Process) {
	s.openProcess(e)
	if len(p.Argv) > 0 {
		s.raw(`,"command_args":[`)
		for i, a := range p.Argv {
			if i > 0 {
				s.raw(",")
			}
			s.str(a)
		}
		s.raw("]")
	}
	if p.Parent.PID != 0 {
		s.raw(`,"parent_pid":`).uint(uint64(p.Parent.PID))
	}
	if p.Cgroup != "" {
		s.raw(`,"cgroup":`).str(p.Cgroup)
	}
	if p.Container != "" {
		s.raw(`,"container":{"id":`).str(p.Container).raw("}")
	}
	if p.NetNS != 0 {
		s.raw(`,"netns":"`).uint(p.NetNS).raw(`"`)
	}
	switch p.What {
	case event.Found:
		s.raw(`,"event":"found"`)
	case event.Fork:
		s.raw(`,"event":"fork"`)
	case event.Exec:
		s.raw(`,"event":"exec"`)
	case event.Exit:
		s.raw(`,"event":"exit","exit":{`)
		if sig := p.Code & 0x7f; sig != 0 {
			s.raw(`"signal":`).str(notation.Signal(sig))
		} else {
			s.raw(`"code":`).uint(uint64(p.Code >> 8 & 0xff))
		}
		s.raw("}")
	}
	s.raw("}")
}
