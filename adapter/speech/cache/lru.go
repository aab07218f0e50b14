package cache

// lru is a map whose entries have a weight and are in order of their last use.
// The zero value is empty. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	entries        map[K]*entry[K, V]
	newest, oldest *entry[K, V]
	weight         int64 // of all
}

type entry[K comparable, V any] struct {
	key          K
	value        V
	weight       int64
	newer, older *entry[K, V]
}

func (l *lru[K, V]) has(k K) bool {
	_, ok := l.entries[k]
	return ok
}

// get looks an entry up; it is now the newest.
func (l *lru[K, V]) get(k K) (v V, ok bool) {
	e, ok := l.entries[k]
	if !ok {
		return v, false
	}
	l.unlink(e)
	l.link(e)
	return e.value, true
}

// put sets an entry; it is now the newest.
func (l *lru[K, V]) put(k K, v V, weight int64) {
	l.remove(k)
	if l.entries == nil {
		l.entries = map[K]*entry[K, V]{}
	}
	e := &entry[K, V]{key: k, value: v, weight: weight}
	l.entries[k] = e
	l.weight += weight
	l.link(e)
}

func (l *lru[K, V]) remove(k K) {
	if e, ok := l.entries[k]; ok {
		l.unlink(e)
		l.weight -= e.weight
		delete(l.entries, k)
	}
}

// dropOldest removes the entry used least recently; false when there is none.
func (l *lru[K, V]) dropOldest() (k K, ok bool) {
	if l.oldest == nil {
		l.weight = 0
		return k, false
	}
	k = l.oldest.key
	l.remove(k)
	return k, true
}

func (l *lru[K, V]) link(e *entry[K, V]) {
	e.newer, e.older = nil, l.newest
	if l.newest != nil {
		l.newest.newer = e
	}
	l.newest = e
	if l.oldest == nil {
		l.oldest = e
	}
}

func (l *lru[K, V]) unlink(e *entry[K, V]) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		l.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		l.oldest = e.newer
	}
}
