package search

// tree maps numbers to values. It never changes: put returns another tree, which
// shares all but one path of nodes with the first. The zero value is empty.
type tree[T any] struct {
	root   *node[T]
	levels int // of nodes, 0 for an empty tree
}

const (
	nodeBits = 5
	nodeSize = 1 << nodeBits
)

// node is an inner node with children, or a leaf with values.
type node[T any] struct {
	edit     *edit
	children []*node[T]
	values   []*T
}

// edit identifies one change of a tree. Nodes that it has created are not shared yet
// and are changed in place, so that a change of many values copies a node once.
type edit struct{ _ byte }

// get returns the value of a number, or nil.
func (t tree[T]) get(number uint32) *T {
	if t.levels == 0 || t.levels*nodeBits < 32 && number>>(t.levels*nodeBits) != 0 {
		return nil
	}
	n := t.root
	for level := t.levels - 1; level > 0; level-- {
		if n = n.children[number>>(level*nodeBits)%nodeSize]; n == nil {
			return nil
		}
	}
	return n.values[number%nodeSize]
}

// put returns a tree with another value of a number; nil removes it. e must not be
// used for another change.
func (t tree[T]) put(number uint32, value *T, e *edit) tree[T] {
	for t.levels == 0 || t.levels*nodeBits < 32 && number>>(t.levels*nodeBits) != 0 {
		root := &node[T]{edit: e}
		if t.levels == 0 {
			root.values = make([]*T, nodeSize)
		} else {
			root.children = make([]*node[T], nodeSize)
			root.children[0] = t.root
		}
		t = tree[T]{root, t.levels + 1}
	}
	t.root = t.root.owned(e, 0)
	n := t.root
	for level := t.levels - 1; level > 0; level-- {
		child := &n.children[number>>(level*nodeBits)%nodeSize]
		*child = (*child).owned(e, level-1)
		n = *child
	}
	n.values[number%nodeSize] = value
	return t
}

// owned returns the node if e has created it, or a copy, or a new node of a level if
// n is nil.
func (n *node[T]) owned(e *edit, level int) *node[T] {
	switch {
	case n == nil && level == 0:
		return &node[T]{edit: e, values: make([]*T, nodeSize)}
	case n == nil:
		return &node[T]{edit: e, children: make([]*node[T], nodeSize)}
	case n.edit == e:
		return n
	}
	return &node[T]{edit: e, children: append([]*node[T](nil), n.children...), values: append([]*T(nil), n.values...)}
}
