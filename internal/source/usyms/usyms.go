//go:build linux

// Package usyms says which file of a process an address of code is in, and where in the file: by the
// process's memory map. What the file has there is read by whoever has less privilege: package elfsyms.
package usyms

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/intime"
)

// Resolver remembers what it has read of processes, and keeps the files that they have mapped open. Its
// methods are for one goroutine, but for Module.
type Resolver struct {
	// Local gives the number that /proc has for a process; nil: it is the same.
	Local func(pid uint32) uint32
	// Proc is where /proc is mounted.
	Proc  string
	files map[fileKey]uint32 // by number; 0: it cannot be opened
	procs map[uint32][]mapping

	mu   sync.Mutex
	last uint32              // number given last
	open map[uint32]*os.File // by number
}

const (
	// maxFiles and maxProcs bound what is remembered.
	maxFiles = 256
	maxProcs = 256
)

// fileKey is a file, wherever it stands: of one file system.
type fileKey struct {
	dev   string
	inode uint64
}

// mapping is a part of a process's memory that has code of a file.
type mapping struct {
	from, to, offset uint64
	file             fileKey
	path             string
}

// Location is where an address is.
type Location struct {
	File   string // as the process sees it, or [vdso] and the like
	Offset uint64 // into it
	Module uint32 // number of the file, for Module; 0: it is not open
}

// New returns a resolver that knows nothing yet.
func New() *Resolver {
	return &Resolver{Proc: "/proc", files: map[fileKey]uint32{}, procs: map[uint32][]mapping{}, open: map[uint32]*os.File{}}
}

func (r *Resolver) dir(pid uint32) string {
	if r.Local != nil {
		pid = r.Local(pid)
	}
	return filepath.Join(r.Proc, strconv.FormatUint(uint64(pid), 10))
}

// Forget drops what is known of a process's memory: it ended, or another program
// runs in it.
func (r *Resolver) Forget(pid uint32) { delete(r.procs, pid) }

// Learn reads what a process has mapped now, and opens the files: it may have
// ended when they are asked for.
func (r *Resolver) Learn(pid uint32) {
	r.read(pid)
	for _, m := range r.procs[pid] {
		if m.file.inode != 0 {
			r.module(pid, m)
		}
	}
}

func (r *Resolver) read(pid uint32) {
	maps, err := intime.Do(readWithin, func() ([]mapping, error) {
		f, err := os.Open(filepath.Join(r.dir(pid), "maps"))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return parseMaps(f)
	})
	if err != nil || len(maps) == 0 {
		return // it ends: what was known before is still so
	}
	if len(r.procs) >= maxProcs {
		clear(r.procs)
	}
	r.procs[pid] = maps
}

// module returns the number of a mapped file, 0 if it cannot be opened, which is not tried again.
func (r *Resolver) module(pid uint32, m mapping) uint32 {
	id, known := r.files[m.file]
	if !known {
		if len(r.files) >= maxFiles {
			r.closeAll()
			clear(r.files)
		}
		if f := r.file(pid, m); f != nil {
			r.mu.Lock()
			r.last++
			id = r.last
			r.open[id] = f
			r.mu.Unlock()
		}
		r.files[m.file] = id
	}
	return id
}

// ErrNoModule says that there is no open file of a number.
var ErrNoModule = errors.New("no such file is open any more")

// Module returns a mapped file by its number, open to read. It is the caller's to close. Any goroutine may
// call it.
func (r *Resolver) Module(id uint32) (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.open[id]
	if f == nil {
		return nil, ErrNoModule
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("another descriptor of %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (r *Resolver) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.open {
		f.Close()
	}
	clear(r.open)
}

// Find says where an address of a process is. It returns false where that cannot
// be told: the process has ended, or the address is of no file.
func (r *Resolver) Find(pid uint32, addr uint64) (Location, bool) {
	m, ok := find(r.procs[pid], addr)
	if !ok {
		r.read(pid) // not yet, or mapped since
		if m, ok = find(r.procs[pid], addr); !ok {
			return Location{}, false
		}
	}
	at := addr - m.from + m.offset
	if m.file.inode == 0 {
		return Location{File: m.path, Offset: addr - m.from}, true
	}
	return Location{File: m.path, Offset: at, Module: r.module(pid, m)}, true
}

// file opens a mapped file, nil if it cannot: by way of the mapping itself, which is there when the path is
// another file's by now, or else by the path as the process sees it.
func (r *Resolver) file(pid uint32, m mapping) *os.File {
	dir := r.dir(pid)
	for _, open := range []func() (*os.File, error){
		func() (*os.File, error) {
			fd, err := unix.Open(filepath.Join(dir, "map_files", fmt.Sprintf("%x-%x", m.from, m.to)), unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				return nil, err
			}
			return regular(fd, func(*unix.Stat_t) bool { return true })
		},
		func() (*os.File, error) { return openBelow(filepath.Join(dir, "root"), m) },
	} {
		if f, err := intime.Do(readWithin, open); err == nil {
			return f
		}
	}
	return nil
}

// readWithin is how long a map or a file of the process may take to be read.
const readWithin = time.Second

// errOther says that a path leads to a file that the process may not read, and has not mapped.
var errOther = errors.New("not the file that is mapped")

// openBelow opens a mapped file by its path below the root of the process, which may have put another one
// there since: one that it cannot read itself is not to come into less privileged hands by our privilege. The
// kernel's paths have no symbolic links in them. Where a file system (overlayfs, btrfs) has other numbers for
// a file than the memory map, one that everybody may read is taken.
func openBelow(root string, m mapping) (*os.File, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, strings.TrimSuffix(m.path, " (deleted)"), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, err
	}
	return regular(fd, func(st *unix.Stat_t) bool {
		return st.Mode&0o004 != 0 || st.Ino == m.file.inode && m.file.dev == fmt.Sprintf("%02x:%02x", unix.Major(st.Dev), unix.Minor(st.Dev))
	})
}

// regular opens the file of an O_PATH descriptor, which it closes, to read. What is no regular file is not
// opened: a FIFO would wait for its other end, and a device may do something.
func regular(fd int, wanted func(*unix.Stat_t) bool) (*os.File, error) {
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || !wanted(&st) {
		return nil, errOther
	}
	// The same file, whatever the path leads to by now.
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

func find(maps []mapping, addr uint64) (mapping, bool) {
	i, _ := slices.BinarySearchFunc(maps, addr, func(m mapping, addr uint64) int {
		switch {
		case m.to <= addr:
			return -1
		case m.from > addr:
			return 1
		}
		return 0
	})
	if i < len(maps) && maps[i].from <= addr && addr < maps[i].to {
		return maps[i], true
	}
	return mapping{}, false
}

// parseMaps reads what has code of a /proc/PID/maps (proc(5)).
func parseMaps(r io.Reader) ([]mapping, error) {
	var maps []mapping
	sc := bufio.NewScanner(r)
	for line := 1; sc.Scan(); line++ {
		f := bytes.SplitN(sc.Bytes(), []byte(" "), 6)
		if len(f) < 5 {
			return nil, fmt.Errorf("line %d is not of maps: %q", line, sc.Text())
		}
		from, to, ok := strings.Cut(string(f[0]), "-")
		var m mapping
		var err [4]error
		m.from, err[0] = strconv.ParseUint(from, 16, 64)
		m.to, err[1] = strconv.ParseUint(to, 16, 64)
		m.offset, err[2] = strconv.ParseUint(string(f[2]), 16, 64)
		m.file.dev = string(f[3])
		m.file.inode, err[3] = strconv.ParseUint(string(f[4]), 10, 64)
		for _, e := range err {
			if e != nil || !ok {
				return nil, fmt.Errorf("line %d is not of maps: %q", line, sc.Text())
			}
		}
		if len(f) == 6 {
			m.path = strings.TrimLeft(string(f[5]), " ")
		}
		if len(f[1]) == 4 && f[1][2] == 'x' && m.path != "" && m.from < m.to {
			maps = append(maps, m)
		}
	}
	return maps, sc.Err()
}
