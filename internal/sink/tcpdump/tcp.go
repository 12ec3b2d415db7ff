package tcpdump

import "github.com/pidwire/pidwire/internal/event"

// tcp writes a segment whose header is at offset at.
func (w *writer) tcp(at int, length uint32, fragmented bool) {
	w.proto = "tcp"
	if !w.has(at+2, 2) {
		w.ends(":")
		w.trunc()
		return
	}
	w.ports(event.ProtoTCP, ": ")
	h := &w.p.TCP
	if !h.Valid {
		w.trunc()
		return
	}
	header := uint32(h.Header)
	if header < 20 {
		w.say(" tcp ", length-header)
		w.say(" [bad hdr length ", header)
		w.str(" - too short, < 20]")
		return
	}
	if w.o.Quick {
		w.say("tcp ", length-header)
		if header > length {
			w.headerTooLong(header, length)
		}
		return
	}
	seq, ack, sackBase := h.RelSeq, h.RelAck, h.SackBase
	if w.o.AbsoluteSeq {
		seq, ack, sackBase = h.Seq, h.Ack, 0
	}
	w.b = append(w.b, "Flags ["...)
	w.tcpFlags(h.Flags)
	w.b = append(w.b, ']')
	if header > length {
		w.headerTooLong(header, length)
		return
	}
	if w.o.Verbose > 0 && !fragmented && w.has(at, length) {
		w.str(", cksum 0x")
		w.hex(uint64(h.Sum), 4)
		if s := w.pseudo(at, length, event.ProtoTCP); s != 0 {
			w.str(" (incorrect -> 0x")
			w.hex(uint64(shouldBe(h.Sum, s)), 4)
			w.byte(')')
		} else {
			w.str(" (correct)")
		}
	}
	length -= header
	if length > 0 || w.o.Verbose > 1 || h.Flags&(event.TCPSyn|event.TCPFin|event.TCPRst) != 0 {
		w.say(", seq ", seq)
		if length > 0 {
			w.say(":", seq+length)
		}
	}
	if h.Flags&event.TCPAck != 0 {
		w.say(", ack ", ack)
	}
	w.say(", win ", uint32(h.Win))
	if h.Flags&event.TCPUrg != 0 {
		w.say(", urg ", uint32(h.Urg))
	}
	if header > 20 && !w.tcpOptions(at, length, sackBase) {
		return
	}
	w.say(", length ", length)
	if length == 0 || w.cut {
		return
	}
	if !w.has(at, header) {
		w.remaining(w.end-at, header)
		return
	}
	w.segment(at+int(header), length)
}

func (w *writer) headerTooLong(header, length uint32) {
	w.say(" [bad hdr length ", header)
	w.say(" - too long, > ", length)
	w.byte(']')
}

func (w *writer) tcpFlags(f uint8) {
	const letters = "FSRP.UEW" // from the lowest bit
	if f == 0 {
		w.b = append(w.b, "none"...)
	}
	for i := range letters {
		if f&(1<<i) != 0 {
			w.b = append(w.b, letters[i])
		}
	}
}

// segment writes the payload, n > 0 bytes, if its protocol is known.
func (w *writer) segment(at int, n uint32) {
	if w.p.TCP.Flags&event.TCPRst != 0 && w.o.Verbose > 0 {
		w.resetData(at, n)
		return
	}
	src, dst := w.p.Src.Port(), w.p.Dst.Port()
	either := func(port uint16) bool { return src == port || dst == port }
	// The order is that of tcpdump: if both ports are known the first in the list wins, even
	// if its protocol is not decoded here.
	const (
		ftp, ssh, telnet, smtp, whois, domain = 21, 22, 23, 25, 43, 53
		http, http8080, rtsp, rtsp8554        = 80, 8080, 554, 8554
		bgp, pptp, redis, beep                = 179, 1723, 6379, 10288
		openflow0, openflow1                  = 6633, 6653
	)
	switch {
	case either(telnet):
	case either(smtp):
		w.str(": ")
		w.text(at, n, &smtpText)
	case either(whois):
		w.str(": ")
		w.text(at, n, &whoisText)
	case either(bgp), either(pptp), either(redis):
	case either(ssh):
		w.ssh(at, n)
	case either(beep), either(openflow0), either(openflow1):
	case either(ftp):
		w.str(": ")
		w.text(at, n, &ftpText)
	case either(http), either(http8080):
		w.str(": ")
		w.text(at, n, &httpText)
	case either(rtsp), either(rtsp8554):
		w.str(": ")
		w.text(at, n, &rtspText)
	case either(domain):
		w.dns(at, n, dnsTCP)
	}
}

// resetData writes the start of the data in a RST (RFC 9293 3.10.7).
func (w *writer) resetData(at int, n uint32) {
	const most = 30
	if w.has(at, n) {
		w.str(" [RST")
	} else {
		w.str(" [!RST")
	}
	if n > most {
		n = most
		w.byte('+')
	}
	w.byte(' ')
	w.chars(at, n)
	w.byte(']')
}
