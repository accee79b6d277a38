import { badData } from './bad-data.ts'
import { TypeGuess } from './infer.ts'
import { parseLine } from './json-line.ts'

/** More keys than any table has columns: keys that are data. */
const COLUMNS_MAX = 4096

/** One guess per key, in the order in which keys were first seen. */
export class JsonColumns {
  readonly guesses = new Map<string, TypeGuess>()
  private records = 0

  line(line: string): void {
    this.records++
    for (const [key, raw] of parseLine(line, this.records)) {
      let guess = this.guesses.get(key)
      if (!guess) {
        guess = new TypeGuess()
        this.guesses.set(key, guess)
        if (this.guesses.size > COLUMNS_MAX) {
          throw badData(`The records have more than ${COLUMNS_MAX} different keys`, 'Write the varying keys into one nested object.', {
            record: this.records,
          })
        }
      }
      if (raw !== 'null') guess.json(raw)
    }
  }
}
