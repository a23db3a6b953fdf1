package tabular

// Limits of a list in a cell. An item's tags have lower ones.
const (
	maxListTexts = 10_000
	maxListBytes = maxRecord
)

// listBuilder makes one cell of the values of a list. Values that are absent are
// omitted, and typed times are written as text.
type listBuilder struct {
	texts   []string
	bytes   int
	invalid string
}

func (b *listBuilder) add(c Cell) {
	switch c.Kind {
	case CellAbsent, CellList:
	case CellInvalid:
		b.invalid = c.Text
	default:
		text := c.String()
		b.bytes += len(text)
		if len(b.texts) == maxListTexts || b.bytes > maxListBytes {
			b.invalid = "is a list of more than 10,000 values or 1 MiB"
			return
		}
		b.texts = append(b.texts, text)
	}
}

// cell returns the list; one without values is absent.
func (b *listBuilder) cell() Cell {
	switch {
	case b.invalid != "":
		return Cell{Kind: CellInvalid, Text: b.invalid}
	case len(b.texts) == 0:
		return Cell{}
	}
	return Cell{Kind: CellList, List: b.texts}
}
