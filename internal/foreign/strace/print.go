package strace

// Append appends the line from which l was parsed to b, byte for byte. If a Joiner made l, it
// appends the call as strace would have printed it on one line.
func Append(b []byte, l *Line) []byte {
	switch l.Kind {
	case Unknown, Note, Gap, Stack, Dump:
		b = l.appendLeader(b)
		b = append(b, l.Text...)
		return append(b, l.trail...)
	}
	b = l.appendLeader(b)
	switch l.Kind {
	case Signal:
		b = append(b, "--- "...)
		if l.Stopped {
			b = append(b, "stopped by "...)
		}
		b = append(b, l.Name...)
		if l.Text != nil {
			b = append(b, ' ')
			b = append(b, l.Text...)
		}
		b = append(b, " ---"...)
	case Exit:
		b = append(b, endExit...)
		b = append(b, l.Text...)
		b = append(b, endClose...)
	case Killed:
		b = append(b, endKilled...)
		b = append(b, l.Name...)
		if l.Core {
			b = append(b, coreDumped...)
		}
		b = append(b, endClose...)
	case Superseded:
		b = append(b, endExecve...)
		b = append(b, l.Text...)
		b = append(b, endClose...)
	case Call, Unfinished, Broken:
		b = append(b, l.Name...)
		b = append(b, '(')
		b = l.appendRest(b)
	case Resumed:
		b = append(b, resumedOpen...)
		b = append(b, l.Name...)
		b = append(b, resumedClose...)
		b = append(b, l.lead...)
		b = l.appendRest(b)
	case Rest:
		b = l.appendRest(b)
	}
	return append(b, l.trail...)
}

func (l *Line) appendLeader(b []byte) []byte {
	switch l.pidForm {
	case pidBrackets:
		b = append(b, pidOpen...)
		b = append(b, l.pidPad...)
		b = append(b, l.pidText...)
		b = l.appendComm(b)
		b = append(b, "] "...)
	case pidPlain:
		b = append(b, l.pidText...)
		b = l.appendComm(b)
		b = append(b, l.pidPad...)
	}
	if l.Context != nil {
		b = append(b, '[')
		b = append(b, l.Context...)
		b = append(b, "] "...)
	}
	if l.Time.Clock != NoClock {
		b = append(b, l.Time.Text...)
		b = append(b, ' ')
	}
	if l.Delta.Clock != NoClock {
		if l.deltaIn {
			b = append(b, "(+"...)
		}
		b = append(b, l.deltaPad...)
		b = append(b, l.Delta.Text...)
		if l.deltaIn {
			b = append(b, ')')
		}
		b = append(b, ' ')
	}
	if l.nrText != nil {
		b = append(b, '[')
		b = append(b, l.nrText...)
		b = append(b, "] "...)
	}
	if l.ipText != nil {
		b = append(b, '[')
		b = append(b, l.ipText...)
		b = append(b, "] "...)
	}
	return b
}

func (l *Line) appendComm(b []byte) []byte {
	switch l.commForm {
	case commAngle:
		b = append(b, '<')
		b = append(b, l.Comm...)
		b = append(b, '>')
	case commParen:
		b = append(b, " ("...)
		b = append(b, l.Comm...)
		b = append(b, ')')
	}
	return b
}

func (l *Line) appendArgs(b []byte) []byte {
	for i, arg := range l.Args() {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, arg...)
	}
	return b
}

// appendRest appends the line from the arguments on.
func (l *Line) appendRest(b []byte) []byte {
	b = l.appendArgs(b)
	b = append(b, l.markPad...)
	b = append(b, l.Mark...)
	if !l.HasResult {
		return b
	}
	return l.appendResult(b)
}

func (l *Line) appendResult(b []byte) []byte {
	if !l.noClose {
		b = append(b, ')')
	}
	b = append(b, l.resPad...)
	b = append(b, "= "...)
	b = append(b, l.RetText...)
	if l.Errno != nil {
		b = append(b, ' ')
		b = append(b, l.Errno...)
		if l.ErrText != nil {
			b = append(b, " ("...)
			b = append(b, l.ErrText...)
			b = append(b, ')')
		}
	}
	for _, note := range l.Notes() {
		b = append(b, ' ')
		b = append(b, note...)
	}
	if l.Dur.Clock != NoClock {
		b = append(b, " <"...)
		b = append(b, l.Dur.Text...)
		b = append(b, '>')
	}
	return b
}
