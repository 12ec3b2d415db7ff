//go:build linux

package bpf

import (
	"encoding/binary"

	"github.com/pidwire/pidwire/internal/foreign/keys"
	"github.com/pidwire/pidwire/internal/wire"
)

// Numbers of linux/socket.h, linux/netlink.h and linux/inet_diag.h.
const (
	nlHeader, nlRequest = 16, 1
	diagGetSock         = 18 // to SOCK_DIAG_BY_FAMILY, 20
	diagByFamily        = 20
	diagMsg             = 72 // sizeof(struct inet_diag_msg)
	diagMD5Sig          = 18
	md5Sig, md5Key      = 100, 20 // sizeof(struct tcp_diag_md5sig), and the offset of the key
)

// scrub overwrites the keys in answers of sock_diag to privileged callers
// (INET_DIAG_MD5SIG), because a recording must not have keys. The BPF programs copy these
// messages, from the start of each and only within one buffer. All other messages that
// have keys are never copied.
func scrub(r wire.Record) {
	const sock = wire.SizeSyscall
	if len(r) < sock+wire.SizeSock || r[wire.OffSyscallNsock] == 0 ||
		keys.Messages(binary.LittleEndian.Uint16(r[sock+wire.OffSockFamily:]),
			binary.LittleEndian.Uint16(r[sock+wire.OffSockProtocol:])) != keys.FirstBuffer {
		return
	}
	var s wire.Syscall
	_, chunks, ok := wire.SyscallParts(r, &s)
	if !ok {
		return
	}
	for _, data := range wire.Chunks(chunks) {
		scrubDiag(data)
	}
}

// scrubDiag overwrites keys in the messages of one buffer.
func scrubDiag(b []byte) {
	for len(b) >= nlHeader {
		size := int(binary.LittleEndian.Uint32(b))
		kind := binary.LittleEndian.Uint16(b[4:])
		request := binary.LittleEndian.Uint16(b[6:])&nlRequest != 0
		if size < nlHeader {
			return
		}
		msg := b[:min(size, len(b))]
		if kind >= diagGetSock && kind <= diagByFamily && !request && len(msg) > nlHeader+diagMsg {
			scrubAttrs(msg[nlHeader+diagMsg:])
		}
		b = b[min((size+3)&^3, len(b)):]
	}
}

func scrubAttrs(b []byte) {
	const head = 4
	for len(b) >= head {
		size := int(binary.LittleEndian.Uint16(b))
		if size < head {
			return
		}
		if v := b[head:max(head, min(size, len(b)))]; binary.LittleEndian.Uint16(b[2:])&0x3fff == diagMD5Sig {
			for ; len(v) > md5Key; v = v[min(md5Sig, len(v)):] {
				clear(v[md5Key:min(md5Sig, len(v))])
			}
		}
		b = b[min((size+3)&^3, len(b)):]
	}
}
