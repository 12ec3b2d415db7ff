package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	goflag "flag"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/pidwire/pidwire/internal/bundle"
	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/conns"
	"github.com/pidwire/pidwire/internal/sink/jsonl"
	"github.com/pidwire/pidwire/internal/sink/ladder"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/pcapng"
	"github.com/pidwire/pidwire/internal/sink/summary"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/wire"
)

// endless is a generated file of about size bytes: next appends its piece n to b.
type endless struct {
	next func(n int, b []byte) []byte
	n    int
	size int64
	buf  []byte
	at   int
}

// Buffers of the generator. They are not on the heap, where they would be counted as
// memory of the program. Only one file is read at a time.
var (
	generated [40 << 20]byte
	zeros     [15 << 20]byte
)

func (e *endless) Read(b []byte) (int, error) {
	for e.at == len(e.buf) {
		if e.size <= 0 {
			return 0, io.EOF
		}
		e.buf, e.at = e.next(e.n, e.buf[:0]), 0
		e.n++
		e.size -= int64(len(e.buf))
	}
	n := copy(b, e.buf[e.at:])
	e.at += n
	return n, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordingOf returns a generator for a recording of the records that next appends, in blocks
// of 64 KiB or of one record.
func recordingOf(next func(n int, b []byte) []byte) func(int, []byte) []byte {
	n := 0
	return func(i int, b []byte) []byte {
		if i == 0 {
			var head bytes.Buffer
			h := wire.Header{Version: wire.WireVersion, Arch: "amd64", StrLen: 32, Mono: 1, Wall: 1_700_000_000_000_000_000, Layers: 1<<wire.LayerSys | 1<<wire.LayerPkt | 1<<wire.LayerKrn | 1<<wire.LayerAud}
			if _, err := wire.NewWriter(&head, h); err != nil {
				panic(err)
			}
			return append(b, head.Bytes()...)
		}
		at, count := len(b), uint32(0)
		b = append(b, make([]byte, 16)...)
		for len(b)-at < 64<<10 {
			b = next(n, b)
			n++
			count++
		}
		payload := b[at+16:]
		binary.LittleEndian.PutUint32(b[at:], 0x31425750)
		binary.LittleEndian.PutUint32(b[at+4:], uint32(len(payload)))
		binary.LittleEndian.PutUint32(b[at+8:], crc32.Checksum(payload, castagnoli))
		binary.LittleEndian.PutUint32(b[at+12:], count)
		return b
	}
}

// seal pads the record that begins at index at, and sets its length.
func seal(b []byte, at int) []byte {
	for (len(b)-at)%8 != 0 {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

func hdr(kind, layer uint16, n int) wire.Hdr {
	return wire.Hdr{Kind: kind, Layer: layer, Time: 1000 + uint64(n)*1000}
}

var long = strings.Repeat("A", 60_000)

// unlike returns a text of size bytes that is different for each n.
func unlike(n, size int) string { return fmt.Sprintf("%08x", n) + long[:max(0, size-8)] }

func commOf(n int) (c [16]byte) {
	copy(c[:], fmt.Sprintf("%015x", n))
	return c
}

func ownerOf(n int) wire.Owner {
	u := uint32(n + 1)
	return wire.Owner{Cookie: uint64(n + 1), Start: uint64(n) * 10_000_000, Time: uint64(n), Pid: u, Tid: u, Nspid: u, Nstid: u, Uid: u, How: wire.OwnerSent, Comm: commOf(n)}
}

func sockOf(n int) wire.Sock {
	s := wire.Sock{Cookie: uint64(n + 1), Ino: uint64(n + 1), Netns: uint32(n), Fd: int32(n % 1000), Family: 10, Type: 1, Protocol: 6, State: 1, Lport: uint16(n) | 1, Rport: uint16(n>>3) | 1}
	binary.BigEndian.PutUint32(s.Laddr[12:], uint32(n))
	binary.BigEndian.PutUint32(s.Raddr[12:], uint32(n))
	s.Laddr[0], s.Raddr[0] = 0x20, 0x20
	return s
}

// tcpOf returns an IPv6 packet of TCP between addresses that are different for each n.
func tcpOf(n int, flags byte) []byte {
	p := make([]byte, 60)
	p[0], p[5], p[6], p[7] = 0x60, 20, 6, 64
	s := sockOf(n)
	copy(p[8:], s.Laddr[:])
	copy(p[24:], s.Raddr[:])
	binary.BigEndian.PutUint16(p[40:], s.Lport)
	binary.BigEndian.PutUint16(p[42:], s.Rport)
	binary.BigEndian.PutUint32(p[44:], uint32(n))
	p[52], p[53] = 5<<4, flags
	return p
}

// dnsOf returns a DNS answer over IPv4 that gives an address a name of 200 bytes.
func dnsOf(n int) []byte {
	name := []byte{}
	for i := range 4 {
		label := fmt.Sprintf("%050x", n+i<<28)
		name = append(append(name, byte(len(label))), label...)
	}
	name = append(name, 0)
	m := []byte{byte(n >> 8), byte(n), 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}
	m = append(append(m, name...), 0, 1, 0, 1)
	m = append(m, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, byte(10+n>>24), byte(n>>16), byte(n>>8), byte(n))
	p := make([]byte, 28, 28+len(m))
	p[0], p[8], p[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(p[2:], uint16(28+len(m)))
	copy(p[12:], []byte{9, 9, 9, 9, 10, 0, 0, 1})
	binary.BigEndian.PutUint16(p[20:], 53)
	binary.BigEndian.PutUint16(p[22:], uint16(n)|1024)
	binary.BigEndian.PutUint16(p[24:], uint16(8+len(m)))
	return append(p, m...)
}

func withAttr(b []byte, tag uint16, s string) []byte { return wire.AppendAttr(b, tag, s) }

// records are generators for the records of a recording, by kind.
var records = map[string]func(n int, b []byte) []byte{}

func attrsOf(f func(n int, b []byte, size int) []byte, size int) func(int, []byte) []byte {
	return func(n int, b []byte) []byte { return f(n, b, size) }
}

func init() {
	name := func(what uint16) func(n int, b []byte, size int) []byte {
		return func(n int, b []byte, size int) []byte {
			at := len(b)
			attr := withAttr(nil, wire.TagName, unlike(n, size))
			if what == wire.NameHost {
				attr = withAttr(attr, wire.TagAddr, string([]byte{11, byte(n >> 16), byte(n >> 8), byte(n)}))
			}
			r := wire.Name{H: hdr(wire.KindName, 0, n), Netns: uint64(n), Id: uint32(n), What: what, Attrs: uint16(len(attr))}
			return seal(append(r.Append(b), attr...), at)
		}
	}
	sock := func(n int, b []byte, size int) []byte {
		at := len(b)
		attr := withAttr(nil, wire.TagName, unlike(n, size))
		r := wire.Socksnap{H: hdr(wire.KindSock, 1, n), Start: uint64(n), Pid: uint32(n), Attrs: uint16(len(attr))}
		s := sockOf(n)
		s.Family = 1
		return seal(append(s.Append(r.Append(b)), attr...), at)
	}
	proc := func(n int, b []byte, size int) []byte {
		at := len(b)
		attr := withAttr(nil, wire.TagExe, unlike(n, size/3))
		attr = withAttr(attr, wire.TagArgv, strings.Repeat("a\x00", size/6))
		attr = withAttr(attr, wire.TagCgroup, unlike(n, size/3))
		o := ownerOf(n)
		r := wire.Proc{H: hdr(wire.KindProc, 1, n), Start: o.Start, Pid: o.Pid, Tid: o.Tid, Nspid: o.Nspid, Uid: o.Uid, Netns: uint64(n), What: wire.ProcFound, Comm: o.Comm, Attrs: uint16(len(attr))}
		return seal(append(r.Append(b), attr...), at)
	}
	symbol := func(n int, b []byte, size int) []byte {
		at := len(b)
		attr := withAttr(nil, wire.TagName, unlike(n, size/3))
		attr = withAttr(attr, wire.TagExe, unlike(n, size/3))
		attr = withAttr(attr, wire.TagText, unlike(n, size/3))
		r := wire.Symbol{H: hdr(wire.KindSymbol, 3, n), Addr: uint64(n), Pid: uint32(n % 2), Attrs: uint16(len(attr))}
		return seal(append(r.Append(b), attr...), at)
	}
	note := func(n int, b []byte, size int) []byte {
		at := len(b)
		attr := withAttr(withAttr(nil, wire.TagText, unlike(n, size/2)), wire.TagFix, unlike(n, size/2))
		r := wire.Note{H: hdr(wire.KindNote, 1, n), Level: wire.NoteDegraded, Attrs: uint16(len(attr))}
		return seal(append(r.Append(b), attr...), at)
	}
	for of, f := range map[string]func(int, []byte, int) []byte{
		"users": name(wire.NameUser), "ifaces": name(wire.NameIface), "hosts": name(wire.NameHost), "drops": name(wire.NameDrop), "resets": name(wire.NameReset),
		"socks": sock, "procs": proc, "symbols": symbol, "notes": note,
	} {
		records[of+" long"] = attrsOf(f, len(long))
		records[of+" short"] = attrsOf(f, 100)
	}
	call := func(n int, b []byte, nr uint32, args [6]uint64, ret int64, socks []wire.Sock, memory []byte) []byte {
		at := len(b)
		o := ownerOf(n)
		h := hdr(wire.KindSyscall, 1, n)
		r := wire.Syscall{H: h, Enter: h.Time - 100, Start: o.Start, Ret: ret, Args: args, Pid: o.Pid, Tid: o.Tid, Nspid: o.Nspid, Nstid: o.Nstid, Uid: o.Uid, Nr: nr, Abi: wire.AbiX8664, Nsock: uint8(len(socks)), Comm: o.Comm}
		var chunks []byte
		if memory != nil {
			chunks = wire.AppendChunk(nil, wire.Chunk{Addr: 0x1000}, memory)
		}
		r.Chunks = uint32(len(chunks))
		b = r.Append(b)
		for i := range socks {
			b = socks[i].Append(b)
		}
		return seal(append(b, chunks...), at)
	}
	records["calls"] = func(n int, b []byte) []byte {
		return call(n, b, 1, [6]uint64{3, 0x1000, 4}, 4, []wire.Sock{sockOf(n)}, []byte("ping"))
	}
	records["calls by cookie, by inode"] = func(n int, b []byte) []byte {
		s := sockOf(n)
		if n%2 == 0 {
			s.Ino = 0
		} else {
			s.Cookie = 0
		}
		return call(n, b, 1, [6]uint64{3, 0x1000, 4}, 4, []wire.Sock{s}, []byte("ping"))
	}
	records["closes"] = func(n int, b []byte) []byte {
		return call(n, b, 3, [6]uint64{3}, 0, []wire.Sock{sockOf(n)}, nil)
	}
	records["epoll"] = func(n int, b []byte) []byte {
		data := make([]byte, 12)
		binary.LittleEndian.PutUint64(data[4:], uint64(n))
		return call(n, b, 233, [6]uint64{uint64(n), 1, 3, 0x1000}, 0, []wire.Sock{sockOf(n)}, data)
	}
	polls := bytes.Repeat([]byte{3, 0, 0, 0, 0xff, 0, 0xff, 0}, 1<<13)
	records["polls"] = func(n int, b []byte) []byte {
		return call(n, b, 7, [6]uint64{0x1000, 1 << 13, 1}, 1, nil, polls)
	}
	records["polls short"] = func(n int, b []byte) []byte {
		return call(n, b, 7, [6]uint64{0x1000, 16, 1}, 1, nil, polls[:128])
	}
	bits := bytes.Repeat([]byte{0xff}, 128)
	records["selects"] = func(n int, b []byte) []byte {
		return call(n, b, 23, [6]uint64{1024, 0x1000, 0x1000, 0x1000, 0}, 1, nil, bits)
	}
	records["calls of 3 MiB"] = func(n int, b []byte) []byte {
		return call(n, b, 1, [6]uint64{3, 0x1000, 3 << 20}, 3<<20, []wire.Sock{sockOf(n)}, zeros[:3<<20])
	}
	records["uring"] = func(n int, b []byte) []byte {
		at := len(b)
		o, h, s := ownerOf(n), hdr(wire.KindUring, 1, n), sockOf(n)
		r := wire.Uring{H: h, Enter: h.Time - 100, Start: o.Start, Ring: uint64(n), UserData: uint64(n), Pid: o.Pid, Tid: o.Tid, Opcode: 26, Nsock: 1, Comm: o.Comm}
		return seal(s.Append(r.Append(b)), at)
	}
	packet := func(n int, b []byte, cookie uint64, data []byte) []byte {
		at := len(b)
		r := wire.Packet{H: hdr(wire.KindPacket, 2, n), Cookie: cookie, Owner: ownerOf(n), Len: uint32(len(data)), Caplen: uint32(len(data)), Ifindex: uint32(n), Dir: uint8(1 + n%2)}
		return seal(append(r.Append(b), data...), at)
	}
	records["packets"] = func(n int, b []byte) []byte { return packet(n, b, uint64(n+1), tcpOf(n, 2)) }
	records["packets of nobody"] = func(n int, b []byte) []byte { return packet(n, b, 0, tcpOf(n, 2)) }
	records["packets of one"] = func(n int, b []byte) []byte {
		p := tcpOf(7, 0x18)
		binary.BigEndian.PutUint32(p[44:], uint32(n)*60000)
		p = append(p, make([]byte, 100)...)
		p[5] = 120
		return packet(n, b, 8, p)
	}
	records["dns"] = func(n int, b []byte) []byte { return packet(n, b, uint64(n+1), dnsOf(n)) }
	records["handovers"] = func(n int, b []byte) []byte {
		at := len(b)
		r := wire.Handover{H: hdr(wire.KindHandover, 2, n), Cookie: uint64(n + 1), Listener: uint64(n), Owner: ownerOf(n)}
		return seal(r.Append(b), at)
	}
	records["states"] = func(n int, b []byte) []byte {
		at := len(b)
		s := sockOf(n)
		o := ownerOf(n)
		r := wire.State{H: hdr(wire.KindState, 2, n), Owner: o, What: uint8(n % 2), From: 1, To: 1}
		var users []byte
		for range 4 {
			users = o.Append(users)
		}
		return seal(withAttr(s.Append(r.Append(b)), wire.TagOwners, string(users)), at)
	}
	records["kernel"] = func(n int, b []byte) []byte {
		at := len(b)
		k := wire.Kernel{H: hdr(wire.KindKernel, 3, n), Cookie: uint64(n + 1), Owner: ownerOf(n), Args: [6]uint64{uint64(n), uint64(n), uint64(n)}, OnTid: uint32(n), OnComm: commOf(n), Event: uint16(n%40 + 1), Context: wire.ContextTask, Nsock: 1, Nkstack: 127, Nustack: 127}
		s := sockOf(n)
		b = s.Append(k.Append(b))
		for i := range 254 {
			b = binary.LittleEndian.AppendUint64(b, uint64(i+n)<<12)
		}
		return seal(b, at)
	}
	records["funcs"] = func(n int, b []byte) []byte {
		at := len(b)
		f := wire.Func{H: hdr(wire.KindFunc, 3, n), Ip: uint64(n), Cookie: uint64(n), Owner: ownerOf(n), Depth: uint16(n % 100)}
		return seal(f.Append(b), at)
	}
	records["ready"] = func(n int, b []byte) []byte {
		at := len(b)
		r := wire.Ready{H: hdr(wire.KindReady, 1, n), Start: uint64(n), Ino: uint64(n + 1), Data: uint64(n), Pid: uint32(n), Epfd: int32(n), Fd: int32(n)}
		return seal(r.Append(b), at)
	}
	audit := func(n int, b []byte, size int) []byte {
		at := len(b)
		t := fmt.Sprintf("type=SYSCALL msg=audit(1700000000.%03d:%d): arch=c000003e syscall=42 success=yes exit=0 a0=%x a1=1 a2=2 a3=3 items=0 ppid=1 pid=%d auid=%d uid=%d gid=0 comm=\"%s\" exe=\"%s\" key=(null)", n%1000, n, n%1000, n+1, n, n, unlike(n, 15), unlike(n, size))
		r := wire.Audit{H: hdr(wire.KindAudit, 4, n), Wall: uint64(n), Serial: uint64(n), Args: [4]uint64{uint64(n % 1000)}, Pid: uint32(n + 1), Nr: 42, Text: uint32(len(t)), Abi: wire.AbiX8664}
		return seal(append(r.Append(b), t...), at)
	}
	records["audit long"], records["audit short"] = attrsOf(audit, len(long)), attrsOf(audit, 20)
	order := []string{"users short", "ifaces short", "hosts short", "socks short", "procs short", "symbols short", "notes short", "calls by cookie, by inode", "epoll", "polls short", "selects", "uring", "packets", "dns", "handovers", "states", "kernel", "funcs", "ready", "audit short"}
	records["mix"] = func(n int, b []byte) []byte { return records[order[n%len(order)]](n, b) }
}

// block appends a pcapng block.
func block(b []byte, kind uint32, body []byte) []byte {
	return sealBlock(append(openBlock(b, kind), body...), len(b))
}

func openBlock(b []byte, kind uint32) []byte {
	return append(binary.LittleEndian.AppendUint32(b, kind), 0, 0, 0, 0)
}

// sealBlock pads the block that begins at index at, and sets its lengths.
func sealBlock(b []byte, at int) []byte {
	for (len(b)-at)%4 != 0 {
		b = append(b, 0)
	}
	n := uint32(len(b) - at + 4)
	binary.LittleEndian.PutUint32(b[at+4:], n)
	return binary.LittleEndian.AppendUint32(b, n)
}

func optionOf(b []byte, code uint16, v string) []byte {
	b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, code), uint16(len(v)))
	b = append(b, v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func ngPacket(b []byte, iface uint32, n int, data []byte, comment string) []byte {
	at := len(b)
	b = openBlock(b, 6)
	for _, v := range []uint32{iface, 6, uint32(n), uint32(len(data)), uint32(len(data))} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = append(b, data...)
	for (len(b)-at)%4 != 0 {
		b = append(b, 0)
	}
	return sealBlock(optionOf(b, 1, comment), at)
}

func ngIface(b []byte, name, comment string) []byte {
	return block(b, 1, optionOf(optionOf([]byte{101, 0, 0, 0, 0, 0, 4, 0}, 2, name), 1, comment))
}

// files are generators for files that are no recordings, by kind.
var files = map[string]func(n int, b []byte) []byte{}

func init() {
	section := []byte{0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}
	ng := func(next func(n int, b []byte) []byte) func(int, []byte) []byte {
		return func(n int, b []byte) []byte {
			if n == 0 {
				return ngPacket(ngIface(block(b, 0x0a0d0d0a, section), "eth0", "x"), 0, 0, tcpOf(0, 2), "x")
			}
			return next(n, b)
		}
	}
	files["pcapng packets"] = ng(func(n int, b []byte) []byte {
		return ngPacket(b, 0, n, tcpOf(n, 2), fmt.Sprintf("pid=%d tid=%d uid=%d start=%d comm=%015x sock=%d how=sent", n, n, n, n, n, n))
	})
	files["pcapng dns"] = ng(func(n int, b []byte) []byte { return ngPacket(b, 0, n, dnsOf(n), "x") })
	files["pcapng comments"] = ng(func(n int, b []byte) []byte {
		return ngPacket(b, 0, n, tcpOf(n, 2), "PID: 7\nCmd: "+unlike(n, 60000))
	})
	files["pcapng interfaces"] = ng(func(n int, b []byte) []byte {
		if n%60000 == 0 {
			b = block(b, 0x0a0d0d0a, section)
		}
		return ngIface(b, unlike(n, 250), fmt.Sprintf("if=%d netns=%d", n, n))
	})
	files["pcapng interfaces, packets"] = ng(func(n int, b []byte) []byte {
		b = block(b, 0x0a0d0d0a, section)
		return ngPacket(ngIface(b, unlike(n, 250), fmt.Sprintf("if=%d netns=%d", n, n)), 0, n, tcpOf(n, 2), "x")
	})
	files["pcapng names"] = ng(func(n int, b []byte) []byte {
		return block(b, 4, append([]byte{1, 0, 0x60, 0xea, 1, 2, 3, 4}, long...))
	})
	files["pcapng journal"] = ng(func(n int, b []byte) []byte {
		return block(b, 9, []byte(fmt.Sprintf("__REALTIME_TIMESTAMP=%d\nMESSAGE=%s\nSYSLOG_IDENTIFIER=%s\n\n", n, unlike(n, 50000), unlike(n, 5000))))
	})
	files["pcapng rows"] = ng(func(n int, b []byte) []byte {
		return block(b, 9, []byte(fmt.Sprintf("__REALTIME_TIMESTAMP=%d\nMESSAGE=x\nPIDWIRE_PART=%s\n\n", n, long)))
	})
	files["pcapng large blocks"] = ng(func(n int, b []byte) []byte { return block(b, 77, zeros[:]) })
	files["pcapng large packets"] = ng(func(n int, b []byte) []byte { return ngPacket(b, 0, n, zeros[:], "x") })
	files["pcap"] = func(n int, b []byte) []byte {
		if n == 0 {
			b = append(b, 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0)
		}
		p := tcpOf(n, 2)
		for _, v := range []uint32{uint32(n), 0, uint32(len(p)), uint32(len(p))} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return append(b, p...)
	}
	files["snoop"] = func(n int, b []byte) []byte {
		if n == 0 {
			b = append(b, "snoop\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x04"...)
		}
		p := append([]byte{2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 0x86, 0xdd}, tcpOf(n, 2)...)
		for len(p)%4 != 0 {
			p = append(p, 0)
		}
		for _, v := range []uint32{uint32(len(p)), uint32(len(p)), uint32(len(p) + 24), uint32(n), uint32(n), 0} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return append(b, p...)
	}
	lines := func(format func(n int) string) func(int, []byte) []byte {
		return func(n int, b []byte) []byte { return append(append(b, format(n)...), '\n') }
	}
	addr := func(n int) string { return fmt.Sprintf("%d.%d.%d.%d", 11+n>>24, n>>16&255, n>>8&255, n&255) }
	files["strace"] = lines(func(n int) string {
		return fmt.Sprintf("%d 10:00:00.%06d connect(%d<TCP:[%d]>, {sa_family=AF_INET, sin_port=htons(%d), sin_addr=inet_addr(\"%s\")}, 16) = 0", n%4_000_000+1, n%1_000_000, n%1000, n, n%65535+1, addr(n))
	})
	files["strace clone"] = lines(func(n int) string {
		return fmt.Sprintf("%d 10:00:00.%06d clone(child_stack=NULL, flags=CLONE_VM|CLONE_FILES|SIGCHLD) = %d", n%4_000_000+1, n%1_000_000, n%4_000_000+2)
	})
	files["strace unfinished"] = lines(func(n int) string {
		return fmt.Sprintf("%d 10:00:00.%06d write(%d<TCP:[%d]>, \"%s\", 60000 <unfinished ...>", n%4_000_000+1, n%1_000_000, n%1000, n, unlike(n, 60000))
	})
	files["strace long lines"] = lines(func(n int) string {
		return fmt.Sprintf("%d 10:00:00.%06d write(3, \"%s\", 9000000) = 1", n%4_000_000+1, n%1_000_000, strings.Repeat(long, 21))
	})
	files["strace strange names"] = lines(func(n int) string {
		return fmt.Sprintf("%d 10:00:00.%06d call%d%s(%d, 0) = 0", n%4_000_000+1, n%1_000_000, n, long[:n%40], n)
	})
	files["truss"] = lines(func(n int) string {
		return fmt.Sprintf("%d/%d:\t%d.%04d\tconnect(%d, 0xFFBFF9A8, 16, SOV_DEFAULT)\t= 0", n+1, n%7+1, n/10000, n%10000, n%1000)
	})
	files["truss unfinished"] = lines(func(n int) string {
		return fmt.Sprintf("%d/%d:\t%d.%04d\twrite(%d, \"%s\", 60000)\t(sleeping...)", n+1, n%7+1, n/10000, n%10000, n, unlike(n, 60000))
	})
	files["tcpdump"] = lines(func(n int) string {
		return fmt.Sprintf("10:00:00.%06d IP %s.%d > %s.80: Flags [S], seq %d, win 64240, length 0", n%1_000_000, addr(n), n%65535+1, addr(n+1<<20), n)
	})
	files["tcpdump names"] = lines(func(n int) string {
		return fmt.Sprintf("10:00:00.%06d e%08x In  IP %s.%d > %s.80: Flags [S], seq %d, win 64240, length 0", n%1_000_000, n, unlike(n, 200), n%65535+1, unlike(n+1<<30, 200), n)
	})
	files["tcpdump -x"] = lines(func(n int) string {
		var b strings.Builder
		payload := 1 + n%1400
		fmt.Fprintf(&b, "10:00:00.%06d IP 10.%d.%d.%d.%d > 10.0.0.1.80: Flags [.], seq %d:%d, ack 1, win 1, length %d", n%1_000_000, n>>16&255, n>>8&255, n&255, n%65535+1, n, n+payload, payload)
		fmt.Fprintf(&b, "\n\t0x0000:  4500 %04x 0000 4000 4006 0000 0a%02x %04x\n\t0x0010:  0a00 0001 %04x 0050 0000 0000 0000 0000", 40+payload, n>>16&255, n&0xffff, n%65535+1)
		fmt.Fprintf(&b, "\n\t0x0020:  5010 0001 0000 0000 %04x %04x %04x %04x", n&0xffff, n&0xffff, n&0xffff, n&0xffff)
		for at := 0x30; at < 40+payload; at += 16 {
			fmt.Fprintf(&b, "\n\t0x%04x: %s", at, strings.Repeat(fmt.Sprintf(" %04x", n&0xffff), 8))
		}
		return b.String()
	})
	files["audit.log"] = lines(func(n int) string {
		return fmt.Sprintf("node=%s type=SYSCALL msg=audit(1700000000.%03d:%d): arch=c000003e syscall=42 success=yes exit=0 a0=%x a1=1 a2=2 a3=3 items=0 ppid=1 pid=%d auid=%d uid=%d gid=0 comm=\"%s\" exe=\"%s\" key=(null)", unlike(n, 200), n%1000, n, n%1000, n+1, n, n, unlike(n, 15), unlike(n, 10000))
	})
	files["audit.log short"] = lines(func(n int) string {
		return fmt.Sprintf("type=SYSCALL msg=audit(%d.%03d:%d): arch=c000003e syscall=42 success=yes exit=0 a0=%x a1=1 a2=2 a3=3 items=0 ppid=1 pid=%d auid=%d uid=%d gid=0 comm=\"x\" exe=\"/x\" key=(null)\ntype=SOCKADDR msg=audit(%d.%03d:%d): saddr=020000500A%06X0000000000000000", 1_700_000_000+n/1000, n%1000, n, n%1000, n+1, n, n, 1_700_000_000+n/1000, n%1000, n, n&0xffffff)
	})
	files["ftrace"] = lines(func(n int) string {
		return fmt.Sprintf(" %d)  t%08x-%d  |               |  %sfn_%d%s() {", n%64, n, n+1, strings.Repeat("  ", n%40), n, long[:n%400])
	})
	files["SystemTap"] = lines(func(n int) string {
		return fmt.Sprintf("%6d p%08x(%d): %s->fn_%d%s", n%100000, n, n+1, strings.Repeat(" ", n%40), n, long[:n%400])
	})
	// The format is detected by the first lines.
	for name, first := range map[string]string{"strace": "strace", "truss": "truss"} {
		short := files[first]
		for _, of := range []string{" unfinished", " long lines"} {
			if next := files[name+of]; next != nil {
				files[name+of] = func(n int, b []byte) []byte {
					if n < 400 {
						return short(n, b)
					}
					return next(n, b)
				}
			}
		}
	}
}

// sinksOf are the sinks that keep state of what they have written.
var sinksOf = map[string]func(h wire.Header) sink.Sink{
	"text": func(h wire.Header) sink.Sink {
		return text.New(io.Discard, text.Options{Notation: notation.Options{StrLen: 32, FDs: 1}, Start: int64(h.Wall), Zone: time.UTC, Tree: true, Stacks: true})
	},
	"json": func(h wire.Header) sink.Sink {
		return jsonl.New(io.Discard, jsonl.Options{Notation: notation.Options{StrLen: 32}, Start: int64(h.Wall)})
	},
	"summary": func(wire.Header) sink.Sink { return summary.New(io.Discard, false) },
	"conns": func(wire.Header) sink.Sink {
		return conns.New(io.Discard, conns.Options{All: true, JSON: true})
	},
	"conns lines": func(wire.Header) sink.Sink { return conns.New(io.Discard, conns.Options{All: true}) },
	"ladder":      func(h wire.Header) sink.Sink { return ladder.New(io.Discard, ladder.Options{Start: int64(h.Wall)}) },
	"pcapng": func(h wire.Header) sink.Sink {
		var head bytes.Buffer
		if _, err := wire.NewWriter(&head, h); err != nil {
			panic(err)
		}
		s, err := pcapng.New(io.Discard, pcapng.Options{Start: int64(h.Wall), Header: head.Bytes()})
		if err != nil {
			panic(err)
		}
		return s
	},
}

// boundsInput is the size of the input for each kind and sink.
var boundsInput = goflag.Int("bounds-input", 8, "MiB of each kind of input for TestBounds")

// most is the maximum size of live heap memory for any input. With the memory limit of the
// garbage collector (see replay) and the pages of the program, the process stays below
// 64 MiB.
const most = 44 << 20

// peak runs the source that open returns through a sink, and returns the maximum of live
// heap bytes after a garbage collection, and the number of records.
func peak(t *testing.T, name string, open func() (pipeline.Source, error), tables int, to func(wire.Header) sink.Sink) (live uint64, records uint64) {
	t.Helper()
	runtime.GC() // twice, to free the content of pools
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			metrics.Read(sample)
			live = max(live, sample[0].Value.Uint64())
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	src, err := open()
	if err != nil {
		close(stop)
		<-done
		t.Fatalf("%s: %v", name, err)
	}
	res, err := pipeline.Run(context.Background(), pipeline.Config{Source: src, Wait: true, Tables: tables, Sinks: []sink.Sink{to(src.Header())}})
	close(stop)
	<-done
	if err != nil {
		t.Logf("%s: %v", name, err)
	}
	return live, res.Records
}

// TestBounds checks that memory is bounded while hostile input of each kind goes through the
// whole path: the reader, the decoder, the joiner and the sinks.
func TestBounds(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	each := func(what string, kinds map[string]func(int, []byte) []byte, file func(func(int, []byte) []byte) func(int, []byte) []byte, outs ...string) {
		for name, next := range kinds {
			t.Run(what+"/"+name, func(t *testing.T) {
				for _, out := range outs {
					to := sinksOf[out]
					live, n := peak(t, name, func() (pipeline.Source, error) {
						return source(&endless{next: file(next), size: int64(*boundsInput) << 20, buf: generated[:0]}, name)
					}, 0, to)
					if testing.Verbose() {
						t.Logf("%s: %s: %d records, %.1f MiB live", name, out, n, float64(live)/(1<<20))
					}
					if live > most {
						t.Errorf("%s: %s: %.1f MiB live, after %d records", name, out, float64(live)/(1<<20), n)
					}
					if n < 2 {
						t.Errorf("%s: %s: %d records", name, out, n)
					}
				}
			})
		}
	}
	each("recording", records, recordingOf, "text", "conns lines", "pcapng")
	each("mix", map[string]func(int, []byte) []byte{"mix": records["mix"]}, recordingOf, "json", "summary", "conns", "ladder")
	each("file", files, func(next func(int, []byte) []byte) func(int, []byte) []byte { return next }, "text", "summary")
}

// mostOfSeveral is the same limit for three files as one timeline. Files of real programs
// stay below most in this case too. A hostile file may have a pcapng block of 16 MiB, or
// 7 MiB of names, and each of several files needs that memory.
const mostOfSeveral = most + 24<<20

// TestBoundsOfSeveral checks that limit with a file of each kind, a file of another kind, and
// a recording.
func TestBoundsOfSeveral(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	names := slices.Sorted(maps.Keys(files))
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			var list []bundle.File
			for n, kind := range []string{name, names[(i+1)%len(names)], "mix"} {
				memory, err := syscall.Mmap(-1, 0, 40<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
				if err != nil {
					t.Fatal(err)
				}
				defer syscall.Munmap(memory)
				list = append(list, bundle.File{Name: kind, Open: func() (bundle.Source, func() error, error) {
					next := files[kind]
					if n == 2 {
						next = recordingOf(records[kind])
					}
					src, err := source(&endless{next: next, size: int64(*boundsInput) << 20, buf: memory[:0]}, kind)
					return src, func() error { return nil }, err
				}})
			}
			live, n := peak(t, name, func() (pipeline.Source, error) { return bundle.New(context.Background(), list, bundle.Options{}) }, bundle.Left, sinksOf["text"])
			if testing.Verbose() {
				t.Logf("%d records, %.1f MiB live", n, float64(live)/(1<<20))
			}
			if live > mostOfSeveral {
				t.Errorf("%.1f MiB live, after %d records", float64(live)/(1<<20), n)
			}
			if n < 2 {
				t.Errorf("%d records", n)
			}
		})
	}
}

// TestWindow checks that a zstd window, whose memory a few bytes can request, may be as large
// as zstd uses up to level 19, and that the error for a larger one has the workaround.
func TestWindow(t *testing.T) {
	file := make([]byte, 40<<20)
	for i, c := range []struct {
		window int
		ok     bool
	}{{8 << 20, true}, {16 << 20, false}, {128 << 20, false}} {
		var b bytes.Buffer
		z, err := zstd.NewWriter(&b, zstd.WithWindowSize(c.window), zstd.WithSingleSegment(false))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(file); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		r, _, err := decompress(&b, b.Bytes()[:4])
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if c.ok && err != nil || !c.ok && !errors.Is(err, errWindow) {
			t.Errorf("%d: a window of %d bytes: %v", i, c.window, err)
		}
	}
}
