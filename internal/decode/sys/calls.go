package sys

import (
	"github.com/pidwire/pidwire/internal/syscalls"
	"github.com/pidwire/pidwire/internal/wire"
)

// kinds has the decoder of each kind of argument in syscalls.Table. A decoder checks the ABI
// if the layout of a call depends on it.
var kinds = [syscalls.Kinds]kind{
	syscalls.FD:              fd,
	syscalls.Dec:             dec,
	syscalls.UDec:            udec,
	syscalls.ULong:           ulong,
	syscalls.Hex:             hexa,
	syscalls.HexFlags:        hexBits,
	syscalls.Pointer:         pointer,
	syscalls.Family:          family,
	syscalls.SockType:        sockType,
	syscalls.Protocol:        protocol,
	syscalls.ShutHow:         how,
	syscalls.MsgFlags:        msgBits,
	syscalls.SockFlags:       sockFlags,
	syscalls.FDPair:          pair,
	syscalls.AddrIn:          addrIn,
	syscalls.AddrOut:         addrOut,
	syscalls.AddrLenOut:      addrLenOut,
	syscalls.AddrRecv:        addrRecv,
	syscalls.AddrLenRecv:     addrLenRecv,
	syscalls.OptLevel:        optLevel,
	syscalls.OptSetName:      optSetName,
	syscalls.OptSet:          optSet,
	syscalls.OptGetName:      optGetName,
	syscalls.OptGet:          optGet,
	syscalls.OptGetLen:       optGetLen,
	syscalls.BufIn:           bufIn,
	syscalls.BufOut:          bufOut,
	syscalls.IovIn:           iovIn,
	syscalls.IovOut:          iovOut,
	syscalls.MsgIn:           msgIn,
	syscalls.MsgOut:          msgOut,
	syscalls.MmsgIn:          mmsgIn,
	syscalls.MmsgOut:         mmsgOut,
	syscalls.Offset:          offset3,
	syscalls.OffsetHalves:    offsetHalves,
	syscalls.RWFlags:         rwfBits,
	syscalls.OffsetInOut:     offsetInOut,
	syscalls.Offset64InOut:   offset64InOut,
	syscalls.OffsetSplice:    offsetSplice,
	syscalls.SpliceFlags:     spliceBits,
	syscalls.CloseRangeFlags: bits(closeRangeFlags),
	syscalls.OpenFlags:       bits(openFlags),
	syscalls.FcntlCmd:        opcode(fcntlCmds),
	syscalls.FcntlArg:        fcntlArg,
	syscalls.IoctlRequest:    ioctlRequest,
	syscalls.IoctlArg:        ioctlArg,
	syscalls.Timespec:        timespecIn,
	syscalls.Timespec64:      timespec64In,
	syscalls.Timeval:         timevalIn,
	syscalls.SigSet:          sigmask,
	syscalls.SigSetPair:      sigmaskPair,
	syscalls.PollFDs:         pollIn,
	syscalls.FDSet:           fdSet,
	syscalls.EpollFlags:      bits(epollFlags),
	syscalls.EpollOp:         opcode(epollOps),
	syscalls.EpollEvent:      epollEvent,
	syscalls.EpollEvents:     epollEvents,
	syscalls.Resumed:         resumed,
	syscalls.IOCBs:           iocbs,
	syscalls.IOEvents:        ioEvents,
	syscalls.UringParams:     uringParams,
	syscalls.UringEnterFlags: bits(uringEnterFlags),
	syscalls.UringEnterArg:   uringEnterArg,
	syscalls.UringRegisterOp: opcode(uringRegisterOps),
	syscalls.SocketcallOp:    opcode(socketcalls),
}

// results has the decoder of each result that is more than a number.
var results = [syscalls.Results]func(*Decoder){
	syscalls.ResultFD:         retFD,
	syscalls.ResultSent:       retMmsgSent,
	syscalls.ResultReceived:   retMmsgReceived,
	syscalls.ResultReceived64: retMmsgReceived64,
	syscalls.ResultOption:     retOpt,
	syscalls.ResultSplice:     retSplice,
	syscalls.ResultFcntl:      retFcntl,
	syscalls.ResultPoll:       retPoll,
	syscalls.ResultPpoll:      retPpoll,
	syscalls.ResultPpoll64:    retPpoll64,
	syscalls.ResultSelect:     retSelect,
	syscalls.ResultPselect:    retPselect,
	syscalls.ResultPselect64:  retPselect64,
}

// show returns the decoder of an argument, and whether it must run after the call has
// returned.
func show(a *syscalls.Arg) (k kind, late bool) {
	k = kinds[a.Kind&^syscalls.AtReturn]
	return k, k.exit || a.Kind&syscalls.AtReturn != 0
}

// lookup returns the call of a record, nil if it is unknown.
func lookup(s *wire.Syscall) *syscalls.Call {
	if s.Abi == wire.AbiI386 && s.Nr == syscalls.Socketcall && s.Sub == 0 {
		return &syscalls.Multiplexed
	}
	return syscalls.Find(s.Abi, s.Nr, s.Sub)
}

// ArgNames returns the names of the arguments of a call, as in its man page; nil if the call is
// not in syscalls.Table. The caller must not modify the slice.
func ArgNames(call string) []string { return argNames[call] }

var argNames = func() map[string][]string {
	m := make(map[string][]string, len(syscalls.Table)+1)
	add := func(c *syscalls.Call) {
		names := make([]string, len(c.Args))
		for i := range names {
			names[i] = c.Args[i].Name
		}
		m[c.Name] = names
	}
	for i := range syscalls.Table {
		add(&syscalls.Table[i])
	}
	add(&syscalls.Multiplexed)
	return m
}()

// Constant returns the value of a family, type or protocol of socket(2) by its name. It knows
// the names of strace 4 (PF_INET), too.
func Constant(name string) (n uint64, ok bool) {
	n, ok = constants[name]
	return n, ok
}

var constants = map[string]uint64{
	"AF_UNIX": 1, "AF_LOCAL": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17, "AF_VSOCK": 40, "AF_ALG": 38,
	"PF_UNIX": 1, "PF_LOCAL": 1, "PF_FILE": 1, "PF_INET": 2, "PF_INET6": 10, "PF_NETLINK": 16, "PF_PACKET": 17,
	"SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3, "SOCK_RDM": 4, "SOCK_SEQPACKET": 5, "SOCK_DCCP": 6, "SOCK_PACKET": 10,
	"IPPROTO_IP": 0, "IPPROTO_ICMP": 1, "IPPROTO_TCP": 6, "IPPROTO_UDP": 17, "IPPROTO_ICMPV6": 58, "IPPROTO_SCTP": 132, "IPPROTO_MPTCP": 262, "0": 0,
}
