package merge_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/merge"
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

const ms = 1_000_000

func packet(at, cookie uint64, o wire.Owner, dir uint8, data []byte, flags uint8) wire.Record {
	p := wire.Packet{
		H:      wire.Hdr{Kind: wire.KindPacket, Layer: wire.LayerPkt, Time: at},
		Cookie: cookie, Owner: o, Len: uint32(len(data)), Caplen: uint32(len(data)), Dir: dir, Flags: flags,
	}
	return wire.Seal(append(p.Append(nil), data...))
}

// call returns a call with these times of entry and return.
func call(name string, enter, exit uint64, socks ...wire.Sock) wire.Record {
	c := syscalls.ByName(name)
	nr, _ := c.Number(wire.AbiX8664)
	s := wire.Syscall{
		H:     wire.Hdr{Kind: wire.KindSyscall, Layer: wire.LayerSys, Time: exit},
		Enter: enter, Pid: 200, Tid: 201, Nr: nr, Abi: wire.AbiX8664, Nsock: uint8(len(socks)), Ret: 5,
	}
	b := s.Append(nil)
	for i := range socks {
		b = socks[i].Append(b)
	}
	return wire.Seal(b)
}

func ip(src, dst byte, sport, dport uint16) []byte {
	b := make([]byte, 40)
	b[0], b[9], b[15], b[19] = 0x45, 6, src, dst
	b[33] = 16
	b[20], b[21], b[22], b[23] = byte(sport>>8), byte(sport), byte(dport>>8), byte(dport)
	return b
}

func syn(b []byte) []byte {
	b[33] = 2
	return b
}

// merged returns the output as KIND@TIME words.
func merged(t *testing.T, records ...wire.Record) (words []string, out []wire.Record) {
	t.Helper()
	m := merge.New(func(r wire.Record) error {
		words = append(words, fmt.Sprintf("%d@%d", r.Kind(), r.Time()/ms))
		out = append(out, bytes.Clone(r))
		return nil
	})
	for _, r := range records {
		if err := m.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	return words, out
}

// TestOrder checks that a sending call precedes its packets, that a receiving one follows them, and
// that a call longer than the window comes late.
func TestOrder(t *testing.T) {
	for name, test := range map[string]struct {
		in   []wire.Record
		want string
	}{
		"send": {[]wire.Record{packet(1010*ms, 1, wire.Owner{}, wire.PacketOut, nil, 0), call("sendto", 1005*ms, 1020*ms)}, "1@1020 11@1010"},
		"recv": {[]wire.Record{packet(1010*ms, 1, wire.Owner{}, wire.PacketIn, nil, 0), call("recvfrom", 1005*ms, 1020*ms)}, "11@1010 1@1020"},
		"close": {[]wire.Record{packet(1010*ms, 1, wire.Owner{}, wire.PacketOut, nil, 0), packet(1011*ms, 1, wire.Owner{}, wire.PacketIn, nil, 0),
			call("close", 1009*ms, 1020*ms)}, "1@1020 11@1010 11@1011"},
		"same time": {[]wire.Record{packet(1010*ms, 1, wire.Owner{}, wire.PacketOut, nil, 0), call("sendto", 1010*ms, 1010*ms)}, "11@1010 1@1010"},
		"late": {[]wire.Record{packet(1010*ms, 1, wire.Owner{}, wire.PacketOut, nil, 0), packet(1100*ms, 1, wire.Owner{}, wire.PacketIn, nil, 0),
			call("connect", 1005*ms, 1100*ms)}, "11@1010 1@1100 11@1100"},
	} {
		t.Run(name, func(t *testing.T) {
			if words, _ := merged(t, test.in...); strings.Join(words, " ") != test.want {
				t.Errorf("%v, want %s", words, test.want)
			}
		})
	}
}

// TestIdle checks what is emitted when no more records arrive.
func TestIdle(t *testing.T) {
	n := 0
	m := merge.New(func(wire.Record) error { n++; return nil })
	_ = m.Add(packet(1000*ms, 1, wire.Owner{}, wire.PacketOut, nil, 0))
	_ = m.Add(packet(1010*ms, 1, wire.Owner{}, wire.PacketOut, nil, 0))
	for _, step := range []struct {
		now  uint64
		want int
	}{{1, 0}, {1049 * ms, 0}, {1050 * ms, 1}, {1059 * ms, 1}, {1060 * ms, 2}, {2000 * ms, 2}} {
		if err := m.Idle(step.now); err != nil || n != step.want {
			t.Errorf("at %d: %d records (%v), want %d", step.now/ms, n, err, step.want)
		}
	}
}

// TestBound checks that the number of held records is bounded, and nothing is lost.
func TestBound(t *testing.T) {
	var out, most uint64
	in := uint64(0)
	m := merge.New(func(r wire.Record) error {
		if r.Time() != 1000*ms+out {
			t.Fatalf("record %d is out of order", out)
		}
		out++
		return nil
	})
	data := make([]byte, 60_000)
	for ; in < 1000; in++ {
		if err := m.Add(packet(1000*ms+in, 1, wire.Owner{}, wire.PacketOut, data, 0)); err != nil {
			t.Fatal(err)
		}
		most = max(most, in-out)
	}
	if most*60_000 > 5<<20 {
		t.Errorf("%d records of 60 kB are held", most)
	}
	if err := m.Flush(); err != nil || out != in {
		t.Errorf("%d of %d came out: %v", out, in, err)
	}
}

// TestNothingLost checks that all records are emitted, in any order of arrival.
func TestNothingLost(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var in []wire.Record
	now := uint64(1000 * ms)
	for i := range uint64(20_000) {
		now += r.Uint64N(2 * ms)
		if i%3 == 0 {
			in = append(in, call("write", now-r.Uint64N(80*ms), now))
		} else {
			in = append(in, packet(now, 1, wire.Owner{}, wire.PacketOut, make([]byte, r.IntN(3000)), 0))
		}
	}
	_, out := merged(t, in...)
	sorted := func(list []wire.Record) []string {
		var words []string
		for _, r := range list {
			words = append(words, string(r))
		}
		slices.Sort(words)
		return words
	}
	if !slices.Equal(sorted(in), sorted(out)) {
		t.Errorf("%d records went in, %d came out, or others", len(in), len(out))
	}
}

const (
	listener = 50
	child    = 51
)

var (
	master = wire.Owner{Cookie: listener, Pid: 100, Tid: 100, How: wire.OwnerCreated}
	worker = wire.Owner{Cookie: child, Pid: 200, Tid: 201, How: wire.OwnerReceived}
)

// handshake returns the first packets of a connection, at its listener, and the first one of its
// own.
func handshake() []wire.Record {
	born := wire.State{H: wire.Hdr{Kind: wire.KindState, Layer: wire.LayerKrn, Time: 1003 * ms}, Owner: master, From: 10, To: 3}
	k := wire.Sock{Cookie: child, Family: 2, Protocol: 6, Lport: 80, Rport: 4000}
	k.Laddr[3], k.Raddr[3] = 5, 2
	return []wire.Record{
		packet(1000*ms, listener, master, wire.PacketIn, syn(ip(2, 5, 4000, 80)), 0),
		packet(1001*ms, listener, master, wire.PacketOut, ip(5, 2, 80, 4000), 0),
		packet(1002*ms, listener, master, wire.PacketIn, syn(ip(2, 5, 4001, 80)), 0), // of another socket
		wire.Seal(k.Append(born.Append(nil))),
		packet(1004*ms, child, master, wire.PacketIn, ip(2, 5, 4000, 80), 0),
	}
}

func owners(t *testing.T, out []wire.Record) (pids []uint32) {
	t.Helper()
	for _, r := range out {
		var p wire.Packet
		if r.Kind() != wire.KindPacket {
			continue
		}
		p.Unmarshal(r)
		if p.Flags&wire.PacketHanded != 0 && p.Owner.Pid != 200 {
			t.Errorf("owner %d, flags %d", p.Owner.Pid, p.Flags)
		}
		pids = append(pids, p.Owner.Pid)
	}
	return pids
}

// TestHandedOver checks that the packets of an accepted connection, including its handshake, are
// relabelled with the process that first uses it.
func TestHandedOver(t *testing.T) {
	h := wire.Handover{H: wire.Hdr{Kind: wire.KindHandover, Time: 1010 * ms}, Cookie: child, Listener: listener, Owner: worker}
	_, out := merged(t, append(handshake(), wire.Seal(h.Append(nil)))...)
	if got := owners(t, out); !slices.Equal(got, []uint32{200, 200, 100, 200}) {
		t.Errorf("owners %v", got)
	}
	// Too late: emitted packets do not change.
	h.H.Time = 1051500 * ms / 1000
	_, out = merged(t, append(handshake(), wire.Seal(h.Append(nil)))...)
	if got := owners(t, out); !slices.Equal(got, []uint32{100, 100, 100, 200}) {
		t.Errorf("after the window: owners %v", got)
	}
}

// TestAccepted checks that accept counts as a use.
func TestAccepted(t *testing.T) {
	a := call("accept4", 900*ms, 1008*ms, wire.Sock{Cookie: listener, Family: 2, Protocol: 6}, wire.Sock{Cookie: child, Family: 2, Protocol: 6, Flags: wire.SockNew | wire.SockResult})
	_, out := merged(t, append(handshake(), a)...)
	if got := owners(t, out); !slices.Equal(got, []uint32{200, 200, 100, 200}) {
		t.Errorf("owners %v", got)
	}
	// Without a state record, the addresses are those of the call.
	k := wire.Sock{Cookie: child, Family: 2, Protocol: 6, Lport: 80, Rport: 4000, Flags: wire.SockNew | wire.SockResult}
	k.Laddr[3], k.Raddr[3] = 5, 2
	a = call("accept4", 900*ms, 1008*ms, wire.Sock{Cookie: listener, Family: 2, Protocol: 6}, k)
	h := handshake()
	_, unborn := merged(t, append(slices.Delete(h, 3, 4), a)...)
	if got := owners(t, unborn); !slices.Equal(got, []uint32{200, 200, 100, 200}) {
		t.Errorf("without a state: owners %v", got)
	}
	var p wire.Packet
	p.Unmarshal(out[0])
	if p.Owner.How != wire.OwnerAccepted || p.Owner.Tid != 201 {
		t.Errorf("%+v", p.Owner)
	}
}

// TestShared checks that if one process sends on a socket and another receives, incoming packets
// belong to the receiver and outgoing ones to the sender.
func TestShared(t *testing.T) {
	sender, receiver := wire.Owner{Cookie: child, Pid: 100, How: wire.OwnerSent}, worker
	seg := func(at uint64, dir uint8, o wire.Owner, n int) wire.Record {
		b := append(ip(2, 5, 4000, 80), make([]byte, n)...)
		b[32] = 5 << 4
		return packet(at*ms, child, o, dir, b, 0)
	}
	to := func(at uint64, o wire.Owner) wire.Record {
		h := wire.Handover{H: wire.Hdr{Kind: wire.KindHandover, Time: at * ms}, Cookie: child, Owner: o}
		return wire.Seal(h.Append(nil))
	}
	_, out := merged(t,
		to(1000, receiver), to(1001, sender), // known to be shared
		seg(1002, wire.PacketOut, sender, 4), seg(1003, wire.PacketIn, sender, 0), seg(1004, wire.PacketIn, sender, 4),
		to(1005, receiver),
		seg(1006, wire.PacketOut, receiver, 0), seg(1007, wire.PacketIn, receiver, 4),
		to(1008, sender), seg(1009, wire.PacketIn, sender, 4), to(1010, receiver))
	if got := owners(t, out); !slices.Equal(got, []uint32{100, 100, 200, 200, 200, 200}) {
		t.Errorf("owners %v", got)
	}
}

// TestSharedAtFirst checks that when a socket becomes shared, unread packets are given to the
// reader, and no others.
func TestSharedAtFirst(t *testing.T) {
	first := wire.Owner{Cookie: child, Pid: 100, How: wire.OwnerReceived}
	in := func(at, cookie uint64) wire.Record {
		b := append(ip(2, 5, 4000, 80), 1, 2, 3)
		b[32] = 5 << 4
		o := first
		o.Cookie = cookie
		return packet(at*ms, cookie, o, wire.PacketIn, b, 0)
	}
	h := wire.Handover{H: wire.Hdr{Kind: wire.KindHandover, Time: 1010 * ms}, Cookie: child, Owner: worker}
	b := append(h.Append(nil), make([]byte, wire.SizeAttr)...)
	b = (&wire.Attr{Tag: wire.TagSince, Len: 8}).Append(b)
	b = binary.LittleEndian.AppendUint64(b, 1002*ms)
	_, out := merged(t, in(1001, child), in(1003, child), in(1004, child+1), in(1005, child), wire.Seal(b))
	if got := owners(t, out); !slices.Equal(got, []uint32{100, 200, 100, 200}) {
		t.Errorf("owners %v", got)
	}
}

// TestOnce checks that an ICMP error that a raw socket received is emitted once.
func TestOnce(t *testing.T) {
	icmp := ip(2, 5, 0x0301, 0)
	icmp[9] = 1
	other := bytes.Clone(icmp)
	other[5] = 9
	_, out := merged(t,
		packet(1000*ms, 7, worker, wire.PacketIn, icmp, wire.PacketWire),
		packet(1001*ms, 7, worker, wire.PacketIn, other, wire.PacketWire),
		packet(1002*ms, 7, worker, wire.PacketIn, icmp, 0))
	if len(out) != 2 || out[0].Time() != 1001*ms || out[1].Time() != 1002*ms {
		t.Errorf("%d packets", len(out))
	}
}

// TestDamaged checks that truncated records are passed on unchanged.
func TestDamaged(t *testing.T) {
	whole := append(handshake(), call("accept4", 1, 1008*ms, wire.Sock{Cookie: child, Flags: wire.SockResult}))
	for _, r := range whole {
		for n := wire.SizeHdr; n < len(r); n += 8 {
			cut := bytes.Clone(r[:n])
			cut[0], cut[1] = byte(n), byte(n>>8)
			if words, _ := merged(t, wire.Record(cut)); len(words) != 1 {
				t.Errorf("kind %d cut to %d: %v", r.Kind(), n, words)
			}
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	for name, cookie := range map[string]uint64{"owned": child, "inherited": child + 1} {
		b.Run(name, func(b *testing.B) {
			m := merge.New(func(wire.Record) error { return nil })
			p := packet(0, cookie, worker, wire.PacketOut, ip(1, 2, 3, 4), 0)
			c := call("sendto", 0, 0)
			now := uint64(1000 * ms)
			b.ReportAllocs()
			for b.Loop() {
				now += 10_000
				p.SetTime(now)
				if err := m.Add(p); err != nil {
					b.Fatal(err)
				}
				c.SetTime(now + 1000)
				binary.LittleEndian.PutUint64(c[wire.OffSyscallEnter:], now-1000)
				if err := m.Add(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestEndIsLast checks that the end record is emitted last, even if audit records with a later time
// than the end of the calls' source arrive.
func TestEndIsLast(t *testing.T) {
	e := wire.End{H: wire.Hdr{Kind: wire.KindEnd, Time: 100 * ms}}
	end := wire.Seal(e.Append(nil))
	_, out := merged(t, packet(101*ms, 1, wire.Owner{}, wire.PacketOut, ip(1, 2, 3, 4), 0), end)
	if len(out) != 2 || out[1].Kind() != wire.KindEnd {
		t.Errorf("the last of %d records is of kind %d", len(out), out[len(out)-1].Kind())
	}
}

// TestLabelsLeave checks that an emitted packet is never relabelled, because its memory has been
// reused. The key under which it is held can change meanwhile: its socket turns out to be a
// listener, or is dropped from the table of shared sockets.
func TestLabelsLeave(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	calls := map[string]int{}
	m := merge.New(func(r wire.Record) error {
		if r.Kind() == wire.KindSyscall {
			calls[string(r)]--
		}
		return nil
	})
	add := func(r wire.Record) {
		t.Helper()
		if r.Kind() == wire.KindSyscall {
			calls[string(r)]++
		}
		if err := m.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	now := uint64(1000 * ms)
	handover := func(cookie uint64, pid uint32) {
		h := wire.Handover{H: wire.Hdr{Kind: wire.KindHandover, Time: now}, Cookie: cookie, Owner: wire.Owner{Cookie: cookie, Pid: pid, How: wire.OwnerReceived}}
		add(wire.Seal(h.Append(nil)))
	}
	fill := func(n int) {
		for range n {
			now += ms / 8
			c := call("recvfrom", now-random.Uint64N(ms), now)
			for i := wire.OffSyscallStart; i < wire.OffSyscallPid; i++ {
				c[i] = byte(random.Uint32())
			}
			add(c)
		}
	}
	for round := range uint64(20) {
		listening, shared := 1000+round*100, 500_000+round*100
		for i := range uint64(100) {
			// It has the owner of another socket; then its own socket turns out to be a
			// listener.
			add(packet(now, listening+i, master, wire.PacketIn, ip(2, 5, 4000, 80), 0))
			add(packet(now, listening+i, master, wire.PacketIn, syn(ip(2, 5, 4001, 80)), 0))
			// It is held because several processes use its socket, which is then dropped from
			// the table.
			handover(shared+i, 100)
			own := wire.Owner{Cookie: shared + i, Pid: 100, How: wire.OwnerReceived}
			add(packet(now, shared+i, own, wire.PacketIn, append(ip(2, 5, 4000, 80), 1, 2, 3), 0))
		}
		for i := range uint64(2100) {
			handover(1_000_000+round*10_000+i, 100)
		}
		fill(600)
		for i := range uint64(100) {
			fill(20)
			handover(listening+i, 200)
			handover(shared+i, 200)
		}
	}
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	changed := 0
	for _, n := range calls {
		if n != 0 {
			changed++
		}
	}
	if changed != 0 {
		t.Errorf("%d calls came out that did not go in, or the other way round", changed)
	}
}

// TestWrote checks that of the packets that wait for a proof of their sender, those become the
// writer's that carry only bytes which it is proved to have written.
func TestWrote(t *testing.T) {
	first, second := wire.Owner{Cookie: child, Pid: 100, Tid: 101, How: wire.OwnerSent}, wire.Owner{Cookie: child, Pid: 200, Tid: 201, How: wire.OwnerSent}
	segment := func(seq uint32, n int) []byte {
		b := append(ip(5, 2, 80, 4000), make([]byte, n)...)
		binary.BigEndian.PutUint32(b[24:], seq)
		b[32] = 5 << 4 // header length
		return b
	}
	const unsure = wire.PacketShared | wire.PacketOpen
	datagram := segment(1000, 10)
	datagram[9] = 17
	near := segment(0xfffffff0, 32) // to 16, past the end of the numbers
	cut := wire.Packet{H: wire.Hdr{Kind: wire.KindPacket, Layer: wire.LayerPkt, Time: 1008 * ms}, Cookie: child, Owner: first, Dir: wire.PacketOut,
		Made: wire.MadeSocket, Flags: unsure, Len: 50, Caplen: 24}
	in := []struct {
		r     wire.Record
		owner uint32
		flags uint8
	}{
		{packet(1000*ms, child, first, wire.PacketOut, segment(990, 10), unsure), 100, unsure},
		{packet(1001*ms, child, first, wire.PacketOut, segment(1000, 10), unsure), 200, wire.PacketHanded},
		{packet(1002*ms, child, first, wire.PacketOut, segment(1000, 20), unsure), 200, wire.PacketHanded},
		{packet(1003*ms, child, first, wire.PacketOut, segment(1001, 20), unsure), 100, unsure}, // one byte of another
		{packet(1004*ms, child, first, wire.PacketOut, segment(1005, 0), unsure), 100, unsure},  // no bytes
		{packet(1005*ms, child+1, first, wire.PacketOut, segment(1000, 10), unsure), 100, unsure},
		{packet(1006*ms, child, first, wire.PacketIn, segment(1000, 10), unsure), 100, unsure},
		{packet(1007*ms, child, first, wire.PacketOut, datagram, unsure), 100, unsure},
		{wire.Seal(append(cut.Append(nil), segment(1000, 10)[:24]...)), 100, unsure}, // without the whole header
		{packet(1009*ms, child, first, wire.PacketOut, segment(1000, 10), 0), 100, 0},
		{packet(1010*ms, child, second, wire.PacketOut, segment(1010, 10), unsure), 200, 0}, // confirmed
	}
	var records []wire.Record
	for _, i := range in {
		records = append(records, i.r)
	}
	w := wire.Wrote{H: wire.Hdr{Kind: wire.KindWrote, Layer: wire.LayerPkt, Time: 1011 * ms}, Cookie: child, From: 1000, To: 1020, Owner: second}
	_, out := merged(t, append(records, wire.Seal(w.Append(nil)))...)
	if len(out) != len(in) {
		t.Fatalf("%d records, want %d: a proof is not passed on", len(out), len(in))
	}
	for i, r := range out {
		var p wire.Packet
		p.Unmarshal(r)
		if p.Owner.Pid != in[i].owner || p.Flags != in[i].flags {
			t.Errorf("packet %d: owner %d, flags %d, want %d and %d", i, p.Owner.Pid, p.Flags, in[i].owner, in[i].flags)
		}
	}

	// Sequence numbers begin again at 0. A proof that comes after the window changes nothing.
	w.From, w.To = 0xffffff00, 0x100
	for late, want := range map[uint64]uint32{1001 * ms: 200, 1052 * ms: 100} {
		w.H.Time = late
		_, out = merged(t, packet(1000*ms, child, first, wire.PacketOut, near, unsure), wire.Seal(w.Append(nil)))
		var p wire.Packet
		p.Unmarshal(out[0])
		if p.Owner.Pid != want {
			t.Errorf("a proof at %d: owner %d, want %d", late, p.Owner.Pid, want)
		}
	}
}

// TestOpen checks that a packet with an open owner stays open until a process reads from its
// socket.
func TestOpen(t *testing.T) {
	const open = wire.PacketShared | wire.PacketOpen
	first, second := wire.Owner{Cookie: child, Pid: 100, How: wire.OwnerSent}, wire.Owner{Cookie: child, Pid: 200, How: wire.OwnerReceived}
	had := wire.Owner{Cookie: child, Pid: 100, How: wire.OwnerFound | wire.OwnerOld}
	data := append(ip(2, 5, 4000, 80), make([]byte, 10)...)
	data[32] = 5 << 4 // header length
	handover := func(at uint64, o wire.Owner) wire.Record {
		h := wire.Handover{H: wire.Hdr{Kind: wire.KindHandover, Time: at}, Cookie: child, Owner: o}
		return wire.Seal(h.Append(nil))
	}
	// An accepted socket before its first use, and the process that uses it first.
	listeners := wire.Owner{Cookie: listener, Pid: 100, How: wire.OwnerCreated}
	begins := func(at uint64, how uint32) wire.Record {
		h := wire.Handover{H: wire.Hdr{Kind: wire.KindHandover, Time: at}, Cookie: child, Listener: listener, Owner: wire.Owner{Cookie: child, Pid: 200, How: how}}
		return wire.Seal(h.Append(nil))
	}
	did := func(at uint64, o wire.Owner, context uint8, flags uint8) wire.Record {
		k := wire.Kernel{H: wire.Hdr{Kind: wire.KindKernel, Layer: wire.LayerKrn, Time: at}, Cookie: child, Owner: o, Event: wire.EventReady, Context: context, Flags: flags}
		return wire.Seal(k.Append(nil))
	}
	const opened, softirq = wire.KernelShared | wire.KernelOpen, wire.ContextSoftirq
	snap := func(holders uint16) wire.Record {
		k := wire.Sock{Cookie: child, Family: 2}
		s := wire.Socksnap{H: wire.Hdr{Kind: wire.KindSock, Time: 900 * ms}, Pid: 100, Holders: holders}
		return wire.Seal(k.Append(s.Append(nil)))
	}
	type is struct {
		pid    uint32
		shared bool
	}
	for _, c := range []struct {
		name    string
		records []wire.Record
		want    []is
	}{
		{"read in time", []wire.Record{packet(1000*ms, child, first, wire.PacketIn, data, open), handover(1010*ms, second)}, []is{{200, false}}},
		{"read by the first", []wire.Record{packet(1000*ms, child, first, wire.PacketIn, data, open), handover(1010*ms, wire.Owner{Cookie: child, Pid: 100, How: wire.OwnerReceived})}, []is{{100, false}}},
		{"read late", []wire.Record{packet(1000*ms, child, first, wire.PacketIn, data, open), handover(1100*ms, second)}, []is{{100, true}}},
		{"written to", []wire.Record{packet(1000*ms, child, first, wire.PacketIn, data, open), handover(1010*ms, first)}, []is{{100, true}}},
		{"several readers", []wire.Record{packet(1000*ms, child, first, wire.PacketIn, data, wire.PacketShared), handover(1010*ms, second)}, []is{{200, true}}},
		{"two had it", []wire.Record{snap(2), packet(1000*ms, child, had, wire.PacketIn, data, 0), packet(1001*ms, child, had, wire.PacketOut, data, 0)}, []is{{100, true}, {100, true}}},
		{"one had it", []wire.Record{snap(1), packet(1000*ms, child, had, wire.PacketIn, data, 0)}, []is{{100, false}}},
		{"first written to", []wire.Record{packet(1000*ms, child, listeners, wire.PacketIn, data, open), begins(1010*ms, wire.OwnerSent)}, []is{{100, true}}},
		{"first read", []wire.Record{packet(1000*ms, child, listeners, wire.PacketIn, data, open), begins(1010*ms, wire.OwnerReceived)}, []is{{200, false}}},
		{"event, accepted", []wire.Record{did(1000*ms, listeners, softirq, 0), begins(1010*ms, wire.OwnerAccepted)}, []is{{200, false}}},
		{"event, accepted late", []wire.Record{did(1000*ms, listeners, softirq, 0), begins(1100*ms, wire.OwnerAccepted)}, []is{{100, false}}},
		{"event, first written to", []wire.Record{did(1000*ms, listeners, softirq, opened), begins(1010*ms, wire.OwnerSent)}, []is{{100, true}}},
		{"event, first read", []wire.Record{did(1000*ms, listeners, softirq, opened), begins(1010*ms, wire.OwnerReceived)}, []is{{200, false}}},
		{"event, read in time", []wire.Record{did(1000*ms, first, softirq, opened), handover(1010*ms, second)}, []is{{200, false}}},
		{"event, read late", []wire.Record{did(1000*ms, first, softirq, opened), handover(1100*ms, second)}, []is{{100, true}}},
		{"event of several", []wire.Record{did(1000*ms, first, softirq, wire.KernelShared), handover(1010*ms, second)}, []is{{100, true}}},
		{"event in one's own time", []wire.Record{did(1000*ms, listeners, wire.ContextTask, 0), begins(1010*ms, wire.OwnerAccepted)}, []is{{100, false}}},
		{"two had it, one reads", []wire.Record{snap(2), packet(1000*ms, child, had, wire.PacketIn, data, 0), handover(1010*ms, second), packet(1011*ms, child, had, wire.PacketIn, data, 0)}, []is{{200, false}, {100, false}}},
	} {
		_, out := merged(t, c.records...)
		var got []is
		for _, r := range out {
			switch r.Kind() {
			case wire.KindPacket:
				got = append(got, is{binary.LittleEndian.Uint32(r[wire.OffPacketOwner+wire.OffOwnerPid:]), r[wire.OffPacketFlags]&wire.PacketShared != 0})
			case wire.KindKernel:
				got = append(got, is{binary.LittleEndian.Uint32(r[wire.OffKernelOwner+wire.OffOwnerPid:]), r[wire.OffKernelFlags]&wire.KernelShared != 0})
				if r[wire.OffKernelFlags]&wire.KernelShared == 0 && r[wire.OffKernelFlags] != 0 {
					t.Errorf("%s: flags %x", c.name, r[wire.OffKernelFlags])
				}
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
