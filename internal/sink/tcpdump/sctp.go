package tcpdump

var sctpChunks = []word{
	{0x00, "DATA"}, {0x01, "INIT"}, {0x02, "INIT ACK"}, {0x03, "SACK"}, {0x04, "HB REQ"}, {0x05, "HB ACK"},
	{0x06, "ABORT"}, {0x07, "SHUTDOWN"}, {0x08, "SHUTDOWN ACK"}, {0x09, "OP ERR"}, {0x0a, "COOKIE ECHO"},
	{0x0b, "COOKIE ACK"}, {0x0c, "ECN ECHO"}, {0x0d, "ECN CWR"}, {0x0e, "SHUTDOWN COMPLETE"}, {0xc0, "FOR CUM TSN"},
	{0xc1, "REL CTRL"}, {0xc2, "REL CTRL ACK"},
}

var sctpPayloads = []word{
	{1, "ISDN Q.921"}, {2, "M2UA"}, {3, "M3UA"}, {4, "SUA"}, {5, "M2PA"}, {6, "V5.2"}, {7, "H.248"}, {8, "BICC"},
	{9, "TALI"}, {10, "DUA"}, {11, "ASAP"}, {12, "ENRP"}, {13, "H.323"}, {14, "Q.IPC"}, {15, "SIMCO"}, {16, "DDPSC"},
	{17, "DDPSSC"}, {18, "S1AP"}, {19, "RUA"}, {20, "HNBAP"}, {21, "ForCES HP"}, {22, "ForCES MP"}, {23, "ForCES LP"},
	{24, "SBc-AP"}, {25, "NBAP"}, {27, "X2AP"},
}

// sctp writes an SCTP packet (RFC 9260) of n bytes, with all chunks on one line, or with -vv
// one per line.
func (w *writer) sctp(at int, n uint32) {
	const header = 12
	w.proto = "sctp"
	if n < header {
		w.say("truncated-sctp - ", header-n)
		w.str(" bytes missing!")
		return
	}
	if !w.has(at, header) {
		w.trunc()
		return
	}
	// The addresses are printed here whatever the protocol in the IP header is.
	w.addr(w.p.Src)
	w.say(".", uint32(w.p.Src.Port()))
	w.str(" > ")
	w.addr(w.p.Dst)
	w.say(".", uint32(w.p.Dst.Port()))
	w.str(": sctp")
	for _, port := range [...]uint16{w.p.Src.Port(), w.p.Dst.Port()} {
		switch port {
		case 6704:
			w.str("[ForCES HP]")
		case 6705:
			w.str("[ForCES MP]")
		case 6706:
			w.str("[ForCES LP]")
		}
	}
	sep := " ("
	if w.o.Verbose > 1 {
		sep = "\n\t"
	}
	at += header
	n -= header
	for i := uint32(1); n != 0; i++ {
		if n < 4 {
			w.chunk(sep, i)
			w.str("[chunk descriptor cut off at end of packet]")
			return
		}
		if !w.has(at, 4) {
			w.trunc()
			return
		}
		kind, flags, size := w.u8(at), w.u8(at+1), w.u16(at+2)
		pad := uint32(-size & 3)
		if size < 4 {
			w.badChunk(sep, i, size, "< size of chunk descriptor")
			return
		}
		if n < pad {
			w.badChunk(sep, i, size, "> remaining data in packet")
			return
		}
		if !w.has(at, uint32(size)) {
			w.trunc()
			return
		}
		w.chunk(sep, i)
		w.byte('[')
		if s := name(sctpChunks, uint32(kind)); s != "" {
			w.str(s)
		} else {
			w.str("Unknown chunk type: 0x")
			w.hex(uint64(kind), 1)
		}
		w.str("] ")
		if !w.chunkBody(kind, flags, at+4, size-4) {
			w.say("bogus chunk length ", uint32(size))
			w.byte(']')
			return
		}
		at += int(size)
		n -= uint32(size)
		if w.o.Verbose < 2 {
			sep = ", ("
		}
		if !w.has(at, pad) {
			w.trunc()
			return
		}
		at += int(pad)
		n -= pad
	}
}

func (w *writer) chunk(sep string, i uint32) {
	w.str(sep)
	w.num(i)
	w.str(") ")
}

func (w *writer) badChunk(sep string, i uint32, size uint16, why string) {
	w.chunk(sep, i)
	w.say("[Bad chunk length ", uint32(size))
	w.str(", ")
	w.str(why)
	w.byte(']')
}

// chunkBody writes the n bytes of a chunk, all of which were captured. It returns false if the
// chunk is too short.
func (w *writer) chunkBody(kind, flags uint8, at int, n uint16) bool {
	const data, initiate, initAck, sack = 0, 1, 2, 3
	switch kind {
	case data:
		return w.chunkData(flags, at, n)
	case initiate, initAck:
		if n < 16 {
			return false
		}
		w.field("init tag: ", w.u32(at))
		w.field("rwnd: ", w.u32(at+4))
		w.field("OS: ", uint32(w.u16(at+8)))
		w.field("MIS: ", uint32(w.u16(at+10)))
		w.field("init TSN: ", w.u32(at+12))
	case sack:
		if n < 12 {
			return false
		}
		ack, gaps, dups := w.u32(at), w.u16(at+8), w.u16(at+10)
		w.field("cum ack ", ack)
		w.field("a_rwnd ", w.u32(at+4))
		w.field("#gap acks ", uint32(gaps))
		w.field("#dup tsns ", uint32(dups))
		at, n = at+12, n-12
		for i := uint32(1); n != 0 && i <= uint32(gaps); i++ {
			if n < 4 {
				return false
			}
			w.say("\n\t\t[gap ack block #", i)
			w.say(": start = ", ack+uint32(w.u16(at)))
			w.say(", end = ", ack+uint32(w.u16(at+2)))
			w.str("] ")
			at, n = at+4, n-4
		}
		for i := uint32(1); n != 0 && i <= uint32(dups); i++ {
			if n < 4 {
				return false
			}
			w.say("\n\t\t[dup TSN #", i)
			w.say(": ", w.u32(at))
			w.str("] ")
			at, n = at+4, n-4
		}
	}
	return true
}

func (w *writer) field(s string, v uint32) {
	w.byte('[')
	w.say(s, v)
	w.str("] ")
}

func (w *writer) chunkData(flags uint8, at int, n uint16) bool {
	const last, first, unordered = 1, 2, 4
	for _, f := range [...]struct {
		bit uint8
		s   string
	}{{unordered, "(U)"}, {first, "(B)"}, {last, "(E)"}} {
		if flags&f.bit != 0 {
			w.str(f.s)
		}
	}
	if flags&(unordered|first|last) != 0 {
		w.byte(' ')
	}
	if n < 12 {
		return false
	}
	w.field("TSN: ", w.u32(at))
	w.field("SID: ", uint32(w.u16(at+4)))
	w.field("SSEQ ", uint32(w.u16(at+6)))
	w.str("[PPID ")
	ppid := w.u32(at + 8)
	if s := name(sctpPayloads, ppid); s != "" {
		w.str(s)
	} else {
		w.str("0x")
		w.hex(uint64(ppid), 1)
	}
	w.str("] ")
	if n -= 12; n == 0 {
		return false
	}
	if w.o.Verbose > 1 {
		w.str("[Payload")
		if !w.o.Hex && !w.o.HexASCII && !w.o.ASCII {
			w.byte(':')
			w.b = appendHexASCII(w.b, "\n\t", w.d[at+12:at+12+int(n)])
		}
		w.byte(']')
	}
	return true
}
