// Package pcapng writes the timeline as a pcapng file (draft-ietf-opsawg-pcapng):
// packets beside the system calls and state changes around them, for Wireshark
// and for pidwire itself, which reads such a file back record by record.
//
// A file is one section, little-endian, of one link type and one snaplen:
// tcpdump stops at a file that has two. The link type is LINKTYPE_LINUX_SLL
// (113), as of tcpdump -i any, whose header says what is known below IP and
// nothing else: who sent the packet (so that tcpdump's inbound and outbound
// work), that the device is not known, and the Ethernet type. LINKTYPE_RAW would
// do without a header; but libpcap (1.10.3, and those before) reads no file with
// more than one interface of it, for it compares the 101 of the file with its
// own number for that, 12.
//
//	Section Header           application, system, hardware; comment: what was watched
//	Interface (1)            "other": of packets without a process of their own; before
//	                         any row, because editcap and libpcap want one first
//	Journal Export (9)       the first row: PIDWIRE_HEADER
//	Interface (1)            one a process, named "curl[1234]", before its first packet;
//	                         or one a network interface (Options.ByDevice)
//	Enhanced Packet (6)      the header, the IP packet; comment, direction, drop count,
//	                         packet number (that of its record), process and thread
//	Journal Export (9)       a row: a system call, a change of state, a process, ...
//	Name Resolution (4)      names of addresses, from DNS answers among the packets
//	Interface Statistics (5) at the end, one an interface
//
// # Rows
//
// A row is an entry of the systemd journal export format, FIELD=value a line, in
// a block of draft-richardson-opsawg-pcapng-extras:
//
//	__REALTIME_TIMESTAMP  us since the epoch
//	MESSAGE               as sink/text prints it, at most 16 KiB of it
//	PRIORITY              6; 4 where a call failed, or something is missing
//	SYSLOG_IDENTIFIER     syscall, state, kernel, process, lost, note, handover, frame; pidwire
//	_PID, _TID, _COMM     whose; _TID where it is not the process's
//	ERRNO                 number, of a call that failed
//	PIDWIRE_LAYER         sys, pkt, krn
//	PIDWIRE_CONN          c3
//	PIDWIRE_HEADER        Options.Header, base64
//	PIDWIRE_RECORD        wire records, base64, the row's own last
//	PIDWIRE_PART          base64 of what the next row's field begins with
//
// Wireshark takes no row above 256 KiB, hence PIDWIRE_PART. Records that make no
// line (what was found at the start, looks, clocks) go with the next row, or
// with one of their own before the next packet, so that the order of all
// records is kept.
//
// # Comments
//
// A packet's comment is keys and values, each once, from which with the rest of
// the block its wire record is made again:
//
//	pid=402475 tid=402476 comm=Socket%20Thread conn=c3 match=exact how=sent seen=1543 sock=5283 if=2
//
//	pid, tid      the owner; tid where it is not pid
//	comm          of the thread; what is not printable ASCII, space, % and = as %XX
//	conn, match   the connection, and on what evidence: for readers only
//	sys           the call that sent it, and its descriptor: for readers only
//	how           created, found, accepted, sent, received or used; ",old": since before the start
//	made          rst, timewait, icmp, closed: by whom, where not by the socket
//	flags         wire, handed, claimed, matched, shared
//	uid, start    effective user; ns since boot
//	nspid, nstid  in its own pid namespace, where other than outside
//	seen          ns from the evidence to the packet, may be negative; none: no time
//	sock, owner   cookies: of the socket; of the one that the evidence is of, where another
//	if, mark      interface number and SO_MARK
//	space         low 24 bits of the number behind the network namespace's inode
//	link, l2      LINKTYPE_ and bytes (base64, unpadded) of what stood before the IP header
//
// Numbers are decimal, also in place of a name that there is none for. A key that
// is not there is 0, with these exceptions: tid is pid; owner is sock; nspid, uid
// and start are as in the comment of the interface, which has the same form, if
// its pid is the packet's; else nspid is pid; nstid is tid if nspid is pid, else
// nspid if tid is pid, else tid.
//
// What is not kept: the bytes that pad a record to 8, and a link header of more
// than 1 KiB.
package pcapng

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/tcpdump"
	"github.com/pidwire/pidwire/internal/sink/text"
)

// Options say what a file holds.
type Options struct {
	App, OS, Hardware string // of the section
	Comment           string // of the section, and the first row's MESSAGE
	Snaplen           uint32 // of IP packets, up to 262144; 0: that
	Filter            string // the capture filter, as text; may be empty
	PacketsOnly       bool   // no rows: what Wireshark shows are packets
	ByDevice          bool   // interfaces are the network's, not processes
	Notation          notation.Options
	Header            []byte    // the recording's header, for who reads the file back; empty: no records in rows
	Start             int64     // of the timeline, ns since the epoch
	Preamble          *Preamble // shared by the files of one run; nil: there is one file
}

const (
	flushAt     = 64 << 10
	linkRaw     = 101
	linkSLL     = 113
	allSnaplen  = 262144
	maxOption   = 0xffff
	maxIfaces   = 16384
	maxMessage  = 16 << 10
	maxRow      = 96 << 10 // bytes of records in a row: 128 KiB in base64
	blockSHB    = 0x0a0d0d0a
	blockIDB    = 1
	blockNRB    = 4
	blockISB    = 5
	blockEPB    = 6
	blockRow    = 9
	optEnd      = 0
	optComment  = 1
	byteOrder   = 0x1a2b3c4d
	nanoseconds = 9 // if_tsresol: 10^-9
)

var le = binary.LittleEndian

// Sink writes a file to w, a buffer at a time.
type Sink struct {
	w       io.Writer
	o       Options
	say     text.Words
	b       []byte
	written int64
	err     error

	known  *Preamble
	ifaces map[ifaceKey]uint32
	stats  []iface // by number
	same   bool    // the last packet's interface is as it was
	last   ifaceKey
	lastID uint32

	owed    []byte // records that no row has had yet
	owes    int    // of them
	now     int64  // the latest time of an entry
	dropped uint64 // packets lost since the last one
	lost    uint64 // packets, in all
	frames  uint64 // without IP, left out
}

// New begins a file: it writes the section, the first row, and what is known
// before. The error is w's.
func New(w io.Writer, o Options) (*Sink, error) {
	if o.Snaplen == 0 || o.Snaplen > allSnaplen-sllLen {
		o.Snaplen = allSnaplen - sllLen
	}
	o.Notation.Style = nil
	// Quick keeps the words of a frame on one line.
	say := text.Words{Notation: o.Notation, Packets: tcpdump.Options{Quick: true}}
	s := &Sink{w: w, o: o, say: say, known: o.Preamble, ifaces: map[ifaceKey]uint32{}, now: o.Start}
	s.section()
	s.addIface(ifaceKey{}, iface{name: "other"})
	if s.known == nil {
		s.known = newPreamble(0)
	}
	if s.reads() {
		s.first()
		for i := range s.known.list {
			s.owe(s.known.list[i].raw)
		}
		s.settle()
	}
	s.hosts(s.known.hosts)
	return s, s.flush()
}

// reads says that records go into the file.
func (s *Sink) reads() bool { return len(s.o.Header) > 0 && !s.o.PacketsOnly }

func (s *Sink) section() {
	at := s.begin(blockSHB)
	s.b = le.AppendUint32(s.b, byteOrder)
	s.b = le.AppendUint16(s.b, 1) // version 1.0
	s.b = le.AppendUint16(s.b, 0)
	s.b = le.AppendUint64(s.b, 1<<64-1) // length not known
	s.text(2, s.o.Hardware)
	s.text(3, s.o.OS)
	s.text(4, s.o.App)
	s.text(optComment, s.o.Comment)
	s.endOptions()
	s.end(at)
}

// Write appends the blocks of an entry.
func (s *Sink) Write(e *event.Entry) error {
	if s.err != nil {
		return s.err
	}
	s.now = max(s.now, e.Time)
	if p, ok := e.Body.(*event.Capture); ok {
		s.capture(e, p)
	} else {
		if n, ok := e.Body.(*event.Name); ok && n.What == event.NameHost {
			s.madeUp(n)
		}
		s.entry(e)
		s.known.add(e)
	}
	if len(s.b) >= flushAt {
		return s.flush()
	}
	return nil
}

// Flush writes what is buffered.
func (s *Sink) Flush() error {
	s.settle()
	return s.flush()
}

// Close ends the file with its statistics.
func (s *Sink) Close() error {
	s.settle()
	for i := range s.stats {
		s.statistics(i)
	}
	return s.flush()
}

// Size is how long the file is, what is buffered included.
func (s *Sink) Size() int64 { return s.written + int64(len(s.b)) }

// LeftOut is how many frames without IP were left out: there is no place for
// them among the packets, and PacketsOnly leaves no other.
func (s *Sink) LeftOut() uint64 { return s.frames }

func (s *Sink) flush() error {
	if len(s.b) > 0 && s.err == nil {
		_, s.err = s.w.Write(s.b)
		s.written += int64(len(s.b))
		s.b = s.b[:0]
	}
	return s.err
}

// begin begins a block, and returns where.
func (s *Sink) begin(kind uint32) int {
	at := len(s.b)
	s.b = le.AppendUint32(s.b, kind)
	s.b = le.AppendUint32(s.b, 0)
	return at
}

func (s *Sink) end(at int) {
	s.pad()
	n := uint32(len(s.b) - at + 4)
	le.PutUint32(s.b[at+4:], n)
	s.b = le.AppendUint32(s.b, n)
}

// pad pads to 4: the buffer begins with a block.
func (s *Sink) pad() {
	for len(s.b)%4 != 0 {
		s.b = append(s.b, 0)
	}
}

// option begins an option whose length is not known yet.
func (s *Sink) option(code uint16) int {
	s.b = le.AppendUint16(s.b, code)
	s.b = le.AppendUint16(s.b, 0)
	return len(s.b)
}

// endOption ends an option, whose text is cut where it is too long for one.
func (s *Sink) endOption(at int) {
	s.b = s.b[:at+cut(s.b[at:], maxOption)]
	le.PutUint16(s.b[at-2:], uint16(len(s.b)-at))
	s.pad()
}

// text writes an option of text; none if that is empty.
func (s *Sink) text(code uint16, v string) {
	if v == "" {
		return
	}
	at := s.option(code)
	s.b = clean.AppendText(s.b, v)
	s.endOption(at)
}

func (s *Sink) option32(code uint16, v uint32) {
	s.b = le.AppendUint16(s.b, code)
	s.b = le.AppendUint16(s.b, 4)
	s.b = le.AppendUint32(s.b, v)
}

func (s *Sink) option64(code uint16, v uint64) {
	s.b = le.AppendUint16(s.b, code)
	s.b = le.AppendUint16(s.b, 8)
	s.b = le.AppendUint64(s.b, v)
}

// optionTime writes a time as it stands in blocks, the higher half first.
func (s *Sink) optionTime(code uint16, ns int64) {
	s.b = le.AppendUint16(s.b, code)
	s.b = le.AppendUint16(s.b, 8)
	s.time(ns)
}

func (s *Sink) time(ns int64) {
	s.b = le.AppendUint32(s.b, uint32(uint64(ns)>>32))
	s.b = le.AppendUint32(s.b, uint32(ns))
}

func (s *Sink) endOptions() { s.b = le.AppendUint32(s.b, optEnd) }

// cut returns how much of b, which is UTF-8, is at most n bytes of whole characters.
func cut(b []byte, n int) int {
	if len(b) <= n {
		return len(b)
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return n
}

func (s *Sink) str(v string)  { s.b = append(s.b, v...) }
func (s *Sink) uint(v uint64) { s.b = strconv.AppendUint(s.b, v, 10) }
func (s *Sink) base64(v []byte) {
	s.b = base64.StdEncoding.AppendEncode(s.b, v)
}
