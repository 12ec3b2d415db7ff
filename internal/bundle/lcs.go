package bundle

// maxEdits bounds the edit distance for the exact algorithm. Sequences that differ more
// are matched greedily.
const maxEdits = 1000

// match finds a longest common subsequence of two sequences of n and m elements (Myers, An
// O(ND) Difference Algorithm, 1986), and calls pair for each of its elements, in order.
func match(n, m int, same func(i, j int) bool, pair func(i, j int)) {
	// If one sequence is a prefix of the other there is nothing to search.
	for at := 0; ; at++ {
		if at == n || at == m {
			for i := range at {
				pair(i, i)
			}
			return
		}
		if !same(at, at) {
			break
		}
	}
	most := min(n+m, maxEdits)
	v := make([]int32, 2*most+2)
	var trace [][]int32
	for d := 0; d <= most; d++ {
		for k := -d; k <= d; k += 2 {
			x := 0
			if k == -d || k != d && v[most+k-1] < v[most+k+1] {
				x = int(v[most+k+1])
			} else {
				x = int(v[most+k-1]) + 1
			}
			y := x - k
			for x < n && y < m && same(x, y) {
				x, y = x+1, y+1
			}
			v[most+k] = int32(x)
			if k == n-m && x >= n {
				walk(n, m, d, trace, pair)
				return
			}
		}
		// Only the part of v that this step can have changed is kept.
		trace = append(trace, append([]int32(nil), v[most-d:most+d+1]...))
	}
	j := 0
	for i := 0; i < n && j < m; i++ {
		for k := j; k < min(m, j+maxEdits); k++ {
			if same(i, k) {
				pair(i, k)
				j = k + 1
				break
			}
		}
	}
}

// walk follows the steps of match backwards, and then calls pair in order.
func walk(x, y, d int, trace [][]int32, pair func(i, j int)) {
	type span struct{ x, y, n int }
	var spans []span
	at := func(d, k int) int { // v[k] after step d
		if k < -d || k > d {
			return -1
		}
		return int(trace[d][k+d])
	}
	for ; d > 0; d-- {
		k := x - y
		var from int
		if k == -d || k != d && at(d-1, k-1) < at(d-1, k+1) {
			from = k + 1
		} else {
			from = k - 1
		}
		px := at(d-1, from)
		py := px - from
		n := x - px // a step down, then the diagonal
		if from != k+1 {
			n-- // a step to the right, then the diagonal
		}
		spans = append(spans, span{x - n, y - n, n})
		x, y = px, py
	}
	spans = append(spans, span{x - min(x, y), y - min(x, y), min(x, y)})
	for i := len(spans) - 1; i >= 0; i-- {
		for n := range spans[i].n {
			pair(spans[i].x+n, spans[i].y+n)
		}
	}
}
