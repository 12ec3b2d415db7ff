// Package pcapng writes the timeline to a pcapng file (draft-ietf-opsawg-pcapng): packets, and
// the system calls and state changes around them. The file is for Wireshark, and for pidwire,
// which can read all records back.
//
// A file is one little-endian section with one link type and one snaplen: tcpdump rejects a
// file with two. The link type is LINKTYPE_LINUX_SLL (113), as of tcpdump -i any. Its header
// has just what is known below IP: the direction of the packet (for the filters inbound and
// outbound of tcpdump), an unknown device, and the EtherType. LINKTYPE_RAW has no header at
// all, but libpcap (up to 1.10.3) cannot read a file with several interfaces of it, for it
// compares the 101 of the file with its own number for it, 12.
//
//	Section Header           application, system, hardware; comment: the targets
//	Interface (1)            "other": for packets without a process; before any row,
//	                         because editcap and libpcap need an interface first
//	Journal Export (9)       the first row: PIDWIRE_HEADER
//	Interface (1)            one per process, named "curl[1234]", before its first packet;
//	                         or one per network interface (Options.ByDevice)
//	Enhanced Packet (6)      the SLL header and the IP packet; comment, direction, drop count,
//	                         packet number (that of its record), process and thread
//	Journal Export (9)       a row: a system call, a change of state, a process, ...
//	Name Resolution (4)      names of addresses, from DNS responses among the packets
//	Interface Statistics (5) at the end, one per interface
//
// # Rows
//
// A row is an entry in the systemd journal export format, one FIELD=value per line, in a
// block of draft-richardson-opsawg-pcapng-extras:
//
//	__REALTIME_TIMESTAMP  us since the epoch
//	MESSAGE               the message of sink/text, truncated to 16 KiB
//	PRIORITY              6; 4 if a call failed or data is missing
//	SYSLOG_IDENTIFIER     syscall, state, kernel, process, lost, note, handover, frame; pidwire
//	_PID, _TID, _COMM     of the task; _TID only if it is not _PID
//	ERRNO                 number, of a call that failed
//	PIDWIRE_LAYER         sys, pkt, krn
//	PIDWIRE_CONN          c3
//	PIDWIRE_HEADER        Options.Header, base64
//	PIDWIRE_RECORD        wire records, base64; that of the row is the last
//	PIDWIRE_PART          base64 of the start of the field of the next row
//
// Wireshark rejects rows above 256 KiB, hence PIDWIRE_PART. Records without a message
// (processes and sockets found at attach, looks, clocks) go into the next row, or into one
// of their own before the next packet, so that all records stay in order.
//
// # Comments
//
// The comment of a packet is a list of keys and values. A reader rebuilds the wire record
// from them and the rest of the block:
//
//	pid=402475 tid=402476 comm=Socket%20Thread conn=c3 match=exact how=sent seen=1543 sock=5283 if=2
//
//	pid, tid      the owner; tid only if it is not pid
//	comm          of the thread; space, %, = and other than printable ASCII as %XX
//	conn, match   the connection, and the evidence for it: for information only
//	sys           the call that sent it, and its fd: for information only
//	how           created, found, accepted, sent, received or used; ",old": since before the start
//	made          rst, timewait, icmp, closed: the sender, if not the socket
//	flags         wire, handed, claimed, matched, shared
//	uid, start    effective user; start time of the process, ns since boot
//	nspid, nstid  pid and tid in its own pid namespace, if they differ
//	seen          ns from the evidence to the packet, may be negative; none: no time
//	sock, owner   cookies: of the socket; of the socket of the evidence, if it is another
//	if, mark      interface index and SO_MARK
//	space         low 24 bits of the number for the inode of the network namespace
//	link, l2      LINKTYPE_ and bytes (base64, unpadded) of the original link header
//
// Numbers are decimal, also those in place of an unknown name. A missing key is 0, with these
// exceptions: tid is pid; owner is sock; nspid, uid and start are those in the comment of the
// interface, which has the same format, if its pid is that of the packet, else nspid is pid;
// nstid is tid if nspid is pid, else nspid if tid is pid, else tid.
//
// Not kept are the padding of records to 8 bytes, and link headers of more than 1 KiB.
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

// Options control the contents of a file.
type Options struct {
	App, OS, Hardware string // of the section
	Comment           string // of the section, and MESSAGE of the first row
	Snaplen           uint32 // of IP packets; 0: the maximum, which is 262144 with the link header
	Filter            string // the capture filter, as text; may be empty
	PacketsOnly       bool   // no rows, only packets
	ByDevice          bool   // interfaces are network devices, not processes
	Notation          notation.Options
	Header            []byte    // header of the recording, to read the file back; empty: no records in rows
	Start             int64     // of the timeline, ns since the epoch
	Preamble          *Preamble // shared by the files of one run; nil: there is only one file
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

// Sink writes a file to w. It is buffered.
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
	same   bool    // the interface of the last packet is still valid
	last   ifaceKey
	lastID uint32

	owed    []byte // records that no row has yet
	owes    int    // number of records in owed
	now     int64  // latest time of an entry
	dropped uint64 // packets lost since the last packet
	lost    uint64 // packets lost in total
	frames  uint64 // frames without IP, which were left out
}

// New starts a file: it writes the section, the first row, and the preamble. The error is that
// of w.
func New(w io.Writer, o Options) (*Sink, error) {
	if o.Snaplen == 0 || o.Snaplen > allSnaplen-sllLen {
		o.Snaplen = allSnaplen - sllLen
	}
	o.Notation.Style = nil
	// Quick keeps the text of a frame on one line.
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

// reads reports whether records are written to the file.
func (s *Sink) reads() bool { return len(s.o.Header) > 0 && !s.o.PacketsOnly }

func (s *Sink) section() {
	at := s.begin(blockSHB)
	s.b = le.AppendUint32(s.b, byteOrder)
	s.b = le.AppendUint16(s.b, 1) // version 1.0
	s.b = le.AppendUint16(s.b, 0)
	s.b = le.AppendUint64(s.b, 1<<64-1) // section length unknown
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

// Flush writes the buffer, and a row for pending records.
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

// Size returns the size of the file, including the buffer.
func (s *Sink) Size() int64 { return s.written + int64(len(s.b)) }

// LeftOut returns the number of frames without IP that PacketsOnly left out. They are not
// packets, and without rows there is no other place for them.
func (s *Sink) LeftOut() uint64 { return s.frames }

func (s *Sink) flush() error {
	if len(s.b) > 0 && s.err == nil {
		_, s.err = s.w.Write(s.b)
		s.written += int64(len(s.b))
		s.b = s.b[:0]
	}
	return s.err
}

// begin starts a block, and returns its offset in the buffer.
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

// pad pads to a multiple of 4 bytes. The buffer starts with a block.
func (s *Sink) pad() {
	for len(s.b)%4 != 0 {
		s.b = append(s.b, 0)
	}
}

// option starts an option, and returns the offset of its value for endOption.
func (s *Sink) option(code uint16) int {
	s.b = le.AppendUint16(s.b, code)
	s.b = le.AppendUint16(s.b, 0)
	return len(s.b)
}

// endOption ends an option and sets its length. It truncates a text that is too long.
func (s *Sink) endOption(at int) {
	s.b = s.b[:at+cut(s.b[at:], maxOption)]
	le.PutUint16(s.b[at-2:], uint16(len(s.b)-at))
	s.pad()
}

// text writes a text option, unless v is empty.
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

// optionTime writes a timestamp option: two 32-bit integers, the high one first.
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

// cut returns the length of the longest prefix of b, which is UTF-8, that has at most n bytes
// and no partial character.
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
