package sourcetest

import (
	"testing"
	"time"

	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// fixed are the sizes of the fixed parts of records, by kind.
var fixed = map[uint16]int{
	wire.KindSyscall: wire.SizeSyscall, wire.KindUring: wire.SizeUring, wire.KindProc: wire.SizeProc,
	wire.KindSock: wire.SizeSocksnap + wire.SizeSock, wire.KindLost: wire.SizeLost, wire.KindClock: wire.SizeClock,
	wire.KindName: wire.SizeName, wire.KindNote: wire.SizeNote, wire.KindEnd: wire.SizeEnd, wire.KindFact: wire.SizeFact,
	wire.KindReady: wire.SizeReady, wire.KindPacket: wire.SizePacket,
	wire.KindHandover: wire.SizeHandover, wire.KindState: wire.SizeState + wire.SizeSock,
	wire.KindAudit: wire.SizeAudit, wire.KindText: wire.SizeText,
	wire.KindKernel: wire.SizeKernel, wire.KindSymbol: wire.SizeSymbol, wire.KindFunc: wire.SizeFunc,
}

// record is a record that is being checked.
type record struct {
	*testing.T
	wire.Record
	hdr  wire.Hdr
	size int // of its fixed part
}

// WellFormed fails the test if a record could not be written to a file with this header and read
// back.
func WellFormed(t *testing.T, h wire.Header, raw wire.Record) {
	t.Helper()
	r := record{T: t, Record: raw}
	if !r.hdr.Unmarshal(raw) {
		t.Errorf("a record of %d bytes", len(raw))
		return
	}
	if int(r.hdr.Len) != len(raw) || len(raw)%8 != 0 {
		t.Errorf("kind %d: %d bytes, its length field is %d", r.hdr.Kind, len(raw), r.hdr.Len)
	}
	known := false
	if r.size, known = fixed[r.hdr.Kind]; !known {
		t.Errorf("kind %d must not be in a file", r.hdr.Kind)
	}
	if len(raw) < r.size {
		t.Errorf("kind %d: %d bytes, its fixed part has %d", r.hdr.Kind, len(raw), r.size)
		return
	}
	if r.hdr.Layer > wire.LayerAud {
		t.Errorf("kind %d: layer %d", r.hdr.Kind, r.hdr.Layer)
	}
	// From a day before zero to a year after: one clock, and no garbage.
	const day = uint64(24 * time.Hour)
	if r.hdr.Time+day < h.Mono || r.hdr.Time > h.Mono+366*day {
		t.Errorf("kind %d: time %d, the zero of the timeline is %d", r.hdr.Kind, r.hdr.Time, h.Mono)
	}
	if check := contents[r.hdr.Kind]; check != nil {
		check(&r)
	}
}

// contents are the checks of the fields of records, by kind.
var contents = map[uint16]func(*record){
	wire.KindSyscall: (*record).syscall, wire.KindUring: (*record).uring, wire.KindProc: (*record).proc, wire.KindSock: (*record).sock,
	wire.KindPacket: (*record).packet, wire.KindHandover: (*record).handover, wire.KindState: (*record).state, wire.KindReady: (*record).ready,
	wire.KindLost: (*record).lost, wire.KindName: (*record).name, wire.KindNote: (*record).note, wire.KindEnd: (*record).end,
	wire.KindFact: (*record).fact,
}

// attrs checks n bytes of attributes at an offset.
func (r *record) attrs(n uint16, at int) {
	if left := len(r.Record) - at; int(n) > left || left-int(n) >= 8 {
		r.Errorf("kind %d: %d bytes of attributes with %d bytes left", r.hdr.Kind, n, left)
		return
	}
	// Each is padded to 4.
	end := 0
	for _, v := range wire.Attrs(r.Record[at : at+int(n)]) {
		end += wire.SizeAttr + (len(v)+3)&^3
	}
	if end != int(n) {
		r.Errorf("kind %d: attributes end at %d of %d", r.hdr.Kind, end, n)
	}
}

func (r *record) syscall() {
	var s wire.Syscall
	_, chunks, ok := wire.SyscallParts(r.Record, &s)
	if !ok {
		r.Errorf("a call with %d sockets and %d bytes of chunks in %d bytes", s.Nsock, s.Chunks, len(r.Record))
		return
	}
	end := 0
	for c, data := range wire.Chunks(chunks) {
		end += wire.SizeChunk + (len(data)+7)&^7
		if c.Phase > wire.PhaseExit {
			r.Errorf("a chunk of phase %d", c.Phase)
		}
	}
	if end != len(chunks) {
		r.Errorf("chunks end at %d of %d", end, len(chunks))
	}
	if s.Abi == 0 || s.Abi > wire.AbiX32 || s.Pid == 0 || s.Tid == 0 {
		r.Errorf("a call of abi %d, pid %d, tid %d", s.Abi, s.Pid, s.Tid)
	}
	if s.Enter > r.hdr.Time {
		r.Errorf("a call that returned %d ns before its entry", s.Enter-r.hdr.Time)
	}
	if syscalls.Find(s.Abi, s.Nr, s.Sub) == nil {
		r.Errorf("abi %d, number %d (%d): not in the table of calls", s.Abi, s.Nr, s.Sub)
	}
	if s.Flags&wire.CallTentative != 0 {
		r.Error("the source emitted a tentative call")
	}
}

func (r *record) uring() {
	var u wire.Uring
	u.Unmarshal(r.Record)
	if len(r.Record) < r.size+int(u.Nsock)*wire.SizeSock {
		r.Errorf("a request with %d sockets in %d bytes", u.Nsock, len(r.Record))
	}
}

func (r *record) proc() {
	var p wire.Proc
	p.Unmarshal(r.Record)
	r.attrs(p.Attrs, r.size)
	if p.What < wire.ProcFound || p.What > wire.ProcExit || p.Pid == 0 {
		r.Errorf("process %d: event %d", p.Pid, p.What)
	}
}

func (r *record) sock() {
	var s wire.Socksnap
	s.Unmarshal(r.Record)
	r.attrs(s.Attrs, r.size)
}

func (r *record) packet() {
	var p wire.Packet
	p.Unmarshal(r.Record)
	if p.Caplen > p.Len || len(r.Record)-r.size != int(p.Caplen+7)&^7 {
		r.Errorf("a packet of %d bytes, %d of them captured, in %d", p.Len, p.Caplen, len(r.Record)-r.size)
	}
}

func (r *record) handover() {
	var h wire.Handover
	h.Unmarshal(r.Record)
	if h.Cookie == 0 || h.Owner.Pid == 0 || h.Listener == h.Cookie {
		r.Errorf("socket %d of listener %d passed to process %d", h.Cookie, h.Listener, h.Owner.Pid)
	}
}

func (r *record) state() {
	var s wire.State
	s.Unmarshal(r.Record)
	if s.To == 0 || s.What != wire.StateLook && s.What != wire.StateChanged || s.What == wire.StateLook && s.From != s.To {
		r.Errorf("state %d to %d, what %d", s.From, s.To, s.What)
	}
}

func (r *record) ready() {
	var w wire.Ready
	w.Unmarshal(r.Record)
	if w.Pid == 0 || w.Epfd < 0 || w.Fd < 0 {
		r.Errorf("process %d: epoll instance %d waits for %d", w.Pid, w.Epfd, w.Fd)
	}
}

func (r *record) lost() {
	var l wire.Lost
	l.Unmarshal(r.Record)
	if l.Count == 0 || l.Reason == 0 || l.Reason >= wire.LostReasons {
		r.Errorf("lost %d for reason %d", l.Count, l.Reason)
	}
}

func (r *record) name() {
	var n wire.Name
	n.Unmarshal(r.Record)
	r.attrs(n.Attrs, r.size)
}

func (r *record) note() {
	var n wire.Note
	n.Unmarshal(r.Record)
	r.attrs(n.Attrs, r.size)
}

func (r *record) fact() {
	var f wire.Fact
	f.Unmarshal(r.Record)
	r.attrs(f.Attrs, r.size)
	if f.Pid == 0 || len(wire.AttrOf(r.Record[r.size:], wire.TagName)) == 0 {
		r.Errorf("a fact of process %d without a name", f.Pid)
	}
}

func (r *record) end() {
	var e wire.End
	e.Unmarshal(r.Record)
	if e.Reason == 0 || e.Reason > wire.EndError {
		r.Errorf("ended for reason %d", e.Reason)
	}
}
