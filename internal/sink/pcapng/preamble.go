package pcapng

import (
	"net/netip"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// Preamble has the state at the start of a file: the records of processes, sockets and names,
// and the names of addresses. Successive files share one, so that each can be read alone. It
// is not safe for concurrent use, and is limited to 4 MiB of records and 4096 names.
type Preamble struct {
	most  int // maximum bytes of records
	bytes int
	list  []item // in record order; raw is nil if the record was dropped
	gone  int
	at    map[itemKey]int

	procs   map[event.Proc]process
	text    int // bytes of the strings of procs
	devices map[device]string
	hosts   []host
	host    map[netip.Addr]int

	calls [keptCalls]call // by number modulo keptCalls
}

// call is the call that sent a packet, for its comment.
type call struct {
	seq  uint64
	name string
	fd   int32 // -1: none
}

const (
	keptCalls   = 4096
	maxPreamble = 4 << 20
	maxItems    = 1 << 14 // records; each takes 250 bytes and its own length
	maxProcs    = 1 << 14
	maxWords    = 4 << 20 // bytes of their names and paths
	maxDevices  = 4096
	maxHosts    = 4096
	maxNote     = 200 // notes are compared by this many bytes
)

// NewPreamble returns the preamble for a new run.
func NewPreamble() *Preamble { return newPreamble(maxPreamble) }

func newPreamble(most int) *Preamble {
	return &Preamble{
		most: most, at: map[itemKey]int{}, procs: map[event.Proc]process{}, devices: map[device]string{}, host: map[netip.Addr]int{},
	}
}

type item struct {
	key itemKey
	raw []byte
}

// itemKey identifies the subject of a record. A later record of the same subject replaces it.
type itemKey struct {
	kind byte
	proc event.Proc
	a, b uint64
	text string
}

const (
	ofProcess = iota
	ofSocket
	ofName
	ofReady
	ofClock
	ofNote
	ofFact
)

type process struct {
	comm, exe string
	netns     uint64
}

func (p process) words() int { return len(p.comm) + len(p.exe) }

// device is a network interface.
type device struct {
	netns uint64
	index uint32
}

type host struct {
	addr netip.Addr
	name string
}

// add updates the preamble with an entry. It copies what it keeps, for an entry is only valid
// during Write.
func (k *Preamble) add(e *event.Entry) {
	if e.Conn != nil && e.Conn.Closed {
		k.drop(itemKey{kind: ofSocket, a: e.Conn.ID.Inode})
		k.drop(itemKey{kind: ofSocket, b: e.Conn.ID.Cookie})
	}
	e.Visit(keeper{k})
}

// Offset of what in struct pw_proc, and PW_PROC_FOUND: in the next files the process is one
// that was found.
const (
	offWhat = 64
	found   = 1
)

func (k *Preamble) process(e *event.Entry, b *event.Process) {
	key := itemKey{kind: ofProcess, proc: e.Task.Proc}
	if b.What == event.Exit {
		k.text -= k.procs[e.Task.Proc].words()
		delete(k.procs, e.Task.Proc)
		k.drop(key)
		return
	}
	p := process{comm: strings.Clone(e.Task.Comm), exe: strings.Clone(b.Exe), netns: b.NetNS}
	if p.exe == "" { // a child has the exe of its parent until it calls exec
		p.exe = k.procs[b.Parent].exe
	}
	if was, known := k.procs[e.Task.Proc]; (known || len(k.procs) < maxProcs) && k.text+p.words()-was.words() <= maxWords {
		k.text += p.words() - was.words()
		k.procs[e.Task.Proc] = p
	}
	if k.keep(key, e.Raw) {
		raw := k.list[len(k.list)-1].raw
		if len(raw) > offWhat {
			raw[offWhat] = found
		}
	}
}

// keep stores a copy of a record if there is room. It reports whether it did.
func (k *Preamble) keep(key itemKey, raw []byte) bool {
	if len(raw) == 0 || k.most == 0 {
		return false
	}
	k.drop(key)
	if k.bytes+len(raw) > k.most || len(k.at) >= maxItems {
		return false
	}
	k.at[key] = len(k.list)
	k.list = append(k.list, item{key, append([]byte(nil), raw...)})
	k.bytes += len(raw)
	return true
}

func (k *Preamble) drop(key itemKey) {
	i, ok := k.at[key]
	if !ok {
		return
	}
	delete(k.at, key)
	k.bytes -= len(k.list[i].raw)
	k.list[i].raw = nil
	if k.gone++; k.gone*2 <= len(k.list) {
		return
	}
	live := k.list[:0]
	for _, it := range k.list {
		if it.raw != nil {
			k.at[it.key] = len(live)
			live = append(live, it)
		}
	}
	clear(k.list[len(live):])
	k.list, k.gone = live, 0
}

// device returns the device of a packet. The index is in the packet, the network namespace in
// its connection or process, if that is known.
func (k *Preamble) device(e *event.Entry, p *event.Capture) device {
	d := device{index: p.Iface}
	if e.Conn != nil && e.Conn.NetNS != 0 {
		d.netns = uint64(e.Conn.NetNS)
	} else {
		d.netns = k.procs[e.Task.Proc].netns
	}
	return d
}
