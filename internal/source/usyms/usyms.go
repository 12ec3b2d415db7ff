//go:build linux

// Package usyms says which function of a process an address of code is in: by
// its memory map and the symbols of the files in it.
package usyms

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/intime"
)

// Resolver remembers what it has read of files and of processes. Its methods are
// for one goroutine.
type Resolver struct {
	// Local gives the number that /proc has for a process; nil: it is the same.
	Local func(pid uint32) uint32
	// Proc is where /proc is mounted.
	Proc  string
	files map[fileKey]*symbols
	procs map[uint32][]mapping
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
	Name   string // of the function; empty where nobody knows
	File   string // as the process sees it, or [vdso] and the like; empty where it is of none
	Offset uint64 // into the function; into the file where that has no name
}

// New returns a resolver that knows nothing yet.
func New() *Resolver {
	return &Resolver{Proc: "/proc", files: map[fileKey]*symbols{}, procs: map[uint32][]mapping{}}
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

// Learn reads what a process has mapped now, with the names in it: it may have
// ended when they are asked for.
func (r *Resolver) Learn(pid uint32) {
	r.read(pid)
	for _, m := range r.procs[pid] {
		if m.file.inode != 0 {
			r.symbols(pid, m)
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

// symbols returns those of a mapped file. What cannot be read has none, and is
// not tried again.
func (r *Resolver) symbols(pid uint32, m mapping) *symbols {
	s := r.files[m.file]
	if s == nil {
		if len(r.files) >= maxFiles {
			clear(r.files)
		}
		s = r.open(pid, m)
		r.files[m.file] = s
	}
	return s
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
	s := r.symbols(pid, m)
	if name, off, ok := s.find(at); ok {
		return Location{name, m.path, off}, true
	}
	return Location{File: m.path, Offset: at}, true
}

// open reads the symbols of a mapped file: by way of the mapping itself, which
// is there when the path is another file's by now, or else by the path as the
// process sees it.
func (r *Resolver) open(pid uint32, m mapping) *symbols {
	dir := r.dir(pid)
	for _, path := range []string{
		filepath.Join(dir, "map_files", fmt.Sprintf("%x-%x", m.from, m.to)),
		filepath.Join(dir, "root", strings.TrimSuffix(m.path, " (deleted)")),
	} {
		s, err := intime.Do(readWithin, func() (*symbols, error) {
			f, err := openRegular(path)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return Read(f)
		})
		if err == nil {
			return s
		}
	}
	return &symbols{}
}

// readWithin is how long a map or a file of the process may take to be read.
const readWithin = time.Second

// openRegular opens a file that a process has chosen. What is no regular file is not opened at all: a
// FIFO would wait for its other end, and a device may do something.
func openRegular(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s is not a regular file", path)
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
