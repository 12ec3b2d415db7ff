// Package proc reads data of processes from /proc, the cgroup tree and the user database,
// and matches processes with targets. The root of /proc is a parameter, so that tests can
// have their own.
package proc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pidwire/pidwire/internal/source/intime"
	"github.com/pidwire/pidwire/internal/wire"
)

// FS is a proc file system.
type FS struct {
	Root string // "/proc"
	Pids Pids   // translates pids of the host; nil: callers use the pids of this /proc
}

// Pids translates between pids of the host and those in /proc, which differ in a pid
// namespace below the host's.
type Pids interface {
	There(host uint32) (pid uint32, ok bool)
	Host(pid uint32) (host uint32, ok bool)
}

// Default is the /proc of this machine.
var Default = FS{Root: "/proc"}

// Process has the data of a process from /proc.
type Process struct {
	PID, PPID uint32
	NSPID     uint32 // pid in its own pid namespace
	Start     uint64 // ns since boot, in steps of a clock tick (10 ms)
	UID       uint32 // effective uid
	Comm      string
	Exe       string // path; empty for kernel threads and without privilege
	Argv      []string
	Cgroup    string // path relative to the cgroup v2 root
	NetNS     uint64 // inode
	Compat    bool   // a 32-bit program
}

// tick is the unit of start times in /proc/PID/stat: USER_HZ is 100 on every
// architecture that pidwire knows (include/asm-generic/param.h).
const tick = 10_000_000

// PIDs returns the pids (thread group ids) of all processes, in the order of the directory.
func (f FS) PIDs() ([]uint32, error) {
	d, err := os.Open(f.Root)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []uint32
	for _, n := range names {
		pid, err := strconv.ParseUint(n, 10, 32)
		if err != nil {
			continue
		}
		if host, ok := f.host(uint32(pid)); ok {
			pids = append(pids, host)
		}
	}
	return pids, nil
}

func (f FS) host(pid uint32) (uint32, bool) {
	if f.Pids == nil {
		return pid, true
	}
	return f.Pids.Host(pid)
}

// Path returns the path of a file of a process. If this /proc does not have the process, the
// path does not exist.
func (f FS) Path(pid uint32, name string) string { return f.path(pid, name) }

func (f FS) path(pid uint32, name string) string {
	if f.Pids != nil {
		pid, _ = f.Pids.There(pid) // 0, which no process has, if there is none
	}
	return filepath.Join(f.Root, strconv.FormatUint(uint64(pid), 10), name)
}

// Brief reads only the status file of a process: all fields except Start, Exe, Argv, Cgroup, NetNS and Compat. It
// takes a fifth of the time of Read. The error is fs.ErrNotExist if there is no such process.
func (f FS) Brief(pid uint32) (*Process, error) {
	status, err := os.ReadFile(f.path(pid, "status"))
	if err != nil {
		return nil, notExist(err)
	}
	p := &Process{PID: pid}
	if err := f.parseStatus(status, p); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(pid, "status"), err)
	}
	return p, nil
}

// Read reads the data of a process. If pid is a thread id, it reads the process of the thread. The
// error is fs.ErrNotExist if there is no such process.
func (f FS) Read(pid uint32) (*Process, error) {
	p, err := f.Brief(pid)
	if err != nil {
		return nil, err
	}
	if p.PID != pid {
		// A thread: read the name and the pid in its own namespace of the process.
		pid = p.PID
		if p, err = f.Brief(pid); err != nil {
			return nil, err
		}
	}
	stat, err := os.ReadFile(f.path(pid, "stat"))
	if err != nil {
		return nil, notExist(err)
	}
	if p.Start, err = parseStart(stat); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(pid, "stat"), err)
	}
	// The other files may be unreadable for us; these fields are then empty.
	p.Exe, _ = os.Readlink(f.path(pid, "exe"))
	m, err := intime.Do(memoryWithin, func() (m ofMemory, err error) { return f.ofMemory(pid), nil })
	if err == nil {
		p.Argv, p.Compat = m.argv, m.compat
	}
	if b, err := os.ReadFile(f.path(pid, "cgroup")); err == nil {
		p.Cgroup = parseCgroup(b)
	}
	p.NetNS, _ = f.NetNS(pid)
	return p, nil
}

// memoryWithin is the timeout for reading the memory and the executable of a process, which can block.
const memoryWithin = 100 * time.Millisecond

// ofMemory has the fields that are read from the memory and the executable of the process.
type ofMemory struct {
	argv   []string
	compat bool
}

// maxArgv is the maximum number of bytes read of a command line, which may be megabytes.
const maxArgv = 64 << 10

func (f FS) ofMemory(pid uint32) (m ofMemory) {
	if file, err := os.Open(f.path(pid, "cmdline")); err == nil {
		if b, err := io.ReadAll(io.LimitReader(file, maxArgv)); err == nil {
			m.argv = parseArgv(b)
		}
		file.Close()
	}
	m.compat = f.compat(pid)
	return m
}

// compat reports whether the executable is a 32-bit ELF file.
func (f FS) compat(pid uint32) bool {
	file, err := os.Open(f.path(pid, "exe"))
	if err != nil {
		return false
	}
	defer file.Close()
	var ident [5]byte
	_, err = file.Read(ident[:])
	return err == nil && string(ident[:4]) == "\x7fELF" && ident[4] == 1
}

func notExist(err error) error {
	// Reading a file of a process that has ended fails with ESRCH.
	if errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "no such process") {
		return fs.ErrNotExist
	}
	return err
}

// parseStatus fills p from a status file, and translates its pids.
func (f FS) parseStatus(b []byte, p *Process) error {
	if err := parseStatus(b, p); err != nil {
		return err
	}
	var ok bool
	if p.PID, ok = f.host(p.PID); !ok {
		return fs.ErrNotExist
	}
	p.PPID, _ = f.host(p.PPID) // 0 if the parent is not in this /proc
	return nil
}

func parseStatus(b []byte, p *Process) error {
	for line := range strings.Lines(string(b)) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		if !ok {
			continue
		}
		value = strings.TrimPrefix(value, "\t")
		fields := strings.Fields(value)
		num := func(i int) (uint32, error) {
			if i < 0 || i >= len(fields) {
				return 0, fmt.Errorf("%s: too few fields in %q", key, value)
			}
			n, err := strconv.ParseUint(fields[i], 10, 32)
			return uint32(n), err
		}
		var err error
		switch key {
		case "Name":
			p.Comm = unescape(value)
		case "Tgid":
			p.PID, err = num(0)
		case "PPid":
			p.PPID, err = num(0)
		case "Uid":
			p.UID, err = num(1)
		case "NStgid":
			p.NSPID, err = num(len(fields) - 1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unescape replaces the kernel's escapes for newline and backslash in a name.
func unescape(s string) string {
	return strings.NewReplacer(`\n`, "\n", `\\`, `\`).Replace(s)
}

// Alive reports whether a process exists and has not ended. A zombie has ended, unless
// another of its threads is alive.
func (f FS) Alive(pid uint32) bool {
	dead, err := zombie(f.path(pid, "stat"))
	if err != nil {
		return !errors.Is(notExist(err), fs.ErrNotExist)
	}
	if !dead {
		return true
	}
	tasks, err := readNames(f.path(pid, "task"))
	if err != nil {
		return false
	}
	for _, tid := range tasks {
		if dead, err := zombie(f.path(pid, "task/"+tid+"/stat")); err == nil && !dead {
			return true
		}
	}
	return false
}

// zombie reports whether the state of a task is Z or X.
func zombie(stat string) (bool, error) {
	b, err := os.ReadFile(stat)
	if err != nil {
		return false, err
	}
	i := bytes.LastIndexByte(b, ')')
	return i+2 < len(b) && (b[i+2] == 'Z' || b[i+2] == 'X'), nil
}

// parseStart returns field 22 of /proc/PID/stat in ns. The name in field 2 may
// contain any character, so fields are counted from the last parenthesis.
func parseStart(b []byte) (uint64, error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, errors.New("no closing parenthesis")
	}
	fields := strings.Fields(string(b[i+1:]))
	const starttime = 22 - 3
	if len(fields) <= starttime {
		return 0, fmt.Errorf("%d fields", len(fields)+2)
	}
	n, err := strconv.ParseUint(fields[starttime], 10, 64)
	return n * tick, err
}

func parseArgv(b []byte) []string {
	s := strings.TrimRight(string(b), "\x00")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x00")
}

// parseCgroup returns the path in the v2 hierarchy, from the line 0::/path.
func parseCgroup(b []byte) string {
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n")
		}
	}
	return ""
}

func nsInode(link string) uint64 {
	_, rest, _ := strings.Cut(link, "[")
	n, _ := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 10, 64)
	return n
}

// Name returns the base name of the executable, or the comm if the path is not known.
func (p *Process) Name() string {
	if p.Exe != "" {
		return filepath.Base(strings.TrimSuffix(p.Exe, " (deleted)"))
	}
	return p.Comm
}

// Record returns a wire record (ProcFound) for p with the time now
// (CLOCK_MONOTONIC ns).
func (p *Process) Record(now uint64) wire.Record {
	var attrs []byte
	if p.Exe != "" {
		attrs = wire.AppendAttr(attrs, wire.TagExe, p.Exe)
	}
	if len(p.Argv) > 0 {
		argv := strings.Join(p.Argv, "\x00")
		attrs = wire.AppendAttr(attrs, wire.TagArgv, argv[:min(len(argv), 4096)])
	}
	if p.Cgroup != "" {
		attrs = wire.AppendAttr(attrs, wire.TagCgroup, p.Cgroup)
		if id := ContainerOf(p.Cgroup); id != "" {
			attrs = wire.AppendAttr(attrs, wire.TagContainer, id)
		}
	}
	r := wire.Proc{
		H:     wire.Hdr{Kind: wire.KindProc, Layer: wire.LayerSys, Time: now},
		Start: p.Start, Pid: p.PID, Ppid: p.PPID, Tid: p.PID, Nspid: p.NSPID,
		Uid: p.UID, Netns: p.NetNS, What: wire.ProcFound, Attrs: uint16(len(attrs)),
	}
	if p.Compat {
		r.Flags |= wire.ProcCompat
	}
	copy(r.Comm[:15], p.Comm)
	return wire.Seal(append(r.Append(nil), attrs...))
}

// Socks returns the inodes of the sockets of a process by descriptor. Descriptors that are
// closed meanwhile are left out.
func (f FS) Socks(pid uint32) (map[int32]uint64, error) {
	dir := f.path(pid, "fd")
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	socks := map[int32]uint64{}
	for _, n := range names {
		link, err := os.Readlink(filepath.Join(dir, n))
		if err != nil || !strings.HasPrefix(link, "socket:[") {
			continue
		}
		fd, err := strconv.ParseInt(n, 10, 32)
		if err != nil {
			continue
		}
		socks[int32(fd)] = nsInode(link)
	}
	return socks, nil
}

// Ready is a descriptor that an epoll instance monitors.
type Ready struct {
	EpFD, FD int32
	Events   uint32
	Data     uint64
	Inode    uint64 // of the file that FD referred to when it was registered
}

// maxReady is the maximum number of entries read for one process.
const maxReady = 1 << 17

// Ready returns the descriptors that the epoll instances of a process monitor. Instances that
// are closed meanwhile are left out.
func (f FS) Ready(pid uint32) ([]Ready, error) {
	dir := f.path(pid, "fd")
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	var list []Ready
	for _, n := range names {
		link, err := os.Readlink(filepath.Join(dir, n))
		if err != nil || link != "anon_inode:[eventpoll]" {
			continue
		}
		epfd, err := strconv.ParseInt(n, 10, 32)
		if err != nil {
			continue
		}
		info, err := os.Open(f.path(pid, "fdinfo/"+n))
		if err != nil {
			continue
		}
		list = append(list, parseReady(info, int32(epfd), maxReady-len(list))...)
		info.Close()
	}
	return list, nil
}

// parseReady parses the lines that ep_show_fdinfo in fs/eventpoll.c prints:
//
//	tfd:        5 events:       19 data:         55d0c1f8e2a0  pos:0 ino:1d5 sdev:8
//
// It ignores lines of another form.
func parseReady(r io.Reader, epfd int32, most int) []Ready {
	var list []Ready
	for sc := bufio.NewScanner(r); sc.Scan() && len(list) < most; {
		w := Ready{EpFD: epfd}
		var pos int64
		if _, err := fmt.Sscanf(sc.Text(), "tfd: %d events: %x data: %x pos:%d ino:%x", &w.FD, &w.Events, &w.Data, &pos, &w.Inode); err == nil {
			list = append(list, w)
		}
	}
	return list
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, notExist(err)
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// NetNS returns the inode of a process's network namespace.
func (f FS) NetNS(pid uint32) (uint64, error) {
	l, err := os.Readlink(f.path(pid, "ns/net"))
	if err != nil {
		return 0, notExist(err)
	}
	return nsInode(l), nil
}
