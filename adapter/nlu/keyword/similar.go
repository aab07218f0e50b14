package keyword

import "unicode/utf8"

// profile counts the characters and pairs of characters of a sentence.
type profile map[string]int

// profileOf weighs pairs double: 要投 says more than 要 and 投.
func profileOf(s string) (p profile, total int) {
	p = profile{}
	prev := rune(0)
	for _, r := range s {
		if r == '|' || r == ' ' {
			prev = 0
			continue
		}
		p[string(r)]++
		total++
		if prev != 0 {
			p[string([]rune{prev, r})] += 2
			total += 2
		}
		prev = r
	}
	return p, total
}

// nearest is the Dice similarity to the nearest example, 0 to 1.
func (u *Understander) nearest(s string, examples []string) (float64, string) {
	mine, n := profileOf(s)
	best, words := 0.0, ""
	for _, e := range examples {
		theirs := u.profile(e)
		m, common := 0, 0
		for k, c := range theirs {
			m += c
			common += min(c, mine[k])
		}
		if n+m == 0 {
			continue
		}
		if sim := 2 * float64(common) / float64(n+m); sim > best {
			best, words = sim, e
		}
	}
	return best, words
}

func (u *Understander) profile(e string) profile {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, ok := u.profiles[e]
	if !ok {
		if len(u.profiles) >= maxCache {
			clear(u.profiles)
		}
		p, _ = profileOf(normalise(e).s)
		if utf8.RuneCountInString(e) > maxSaid {
			return p
		}
		u.profiles[e] = p
	}
	return p
}

// calibrated turns a similarity into a confidence on the common scale. The
// knots were measured on the sentences of calibration_test.go: other people's
// ways to say an example lie above 0.45, sentences of other intents that
// share its words below 0.40.
func calibrated(sim float64) float64 {
	switch {
	case sim >= 0.999:
		return 0.97
	case sim >= 0.45:
		return 0.55 + (sim-0.45)*0.7
	}
	return sim
}
