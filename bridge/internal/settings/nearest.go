package settings

import "strings"

// suggest returns a hint at the known name that is nearest to an unknown one, or "" if
// none is near.
func suggest(dashes, unknown string, known []string) string {
	plain := strings.ToLower(strings.ReplaceAll(unknown, "_", "-"))
	best, least := "", max(2, len(unknown)/4)+1
	for _, name := range known {
		if d := distance(plain, strings.ToLower(strings.ReplaceAll(name, "_", "-"))); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + dashes + best + "?"
}

// distance returns the number of characters to insert, delete, replace, or swap with the
// next one, to make b of a (the optimal string alignment distance).
func distance(a, b string) int {
	before, last, row := []int(nil), []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
