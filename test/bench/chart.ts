import { digits, type Panel } from './report.js'

const WIDTH = 800
const LABELS = 200
const BAR = 18
const STEP = 24
const HEADING = 44

/** Bars, ours beside the peers': plain SVG on white, so that it reads the same in a light and in a dark page. */
export function renderChart(panels: readonly Panel[]): string {
  let top = 12
  const parts = panels.map((panel) => {
    const part = renderPanel(panel, top)
    top += HEADING + panel.bars.length * STEP
    return part
  })
  const height = top + 12
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" font-family="sans-serif" font-size="13" fill="#1f2328">`,
    `<title>${escapeXml(panels.map(({ title }) => title).join('; '))}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function renderPanel({ title, unit, bars }: Panel, top: number): string {
  const longest = Math.max(...bars.map(({ value }) => value))
  const space = WIDTH - LABELS - 110
  const lines = bars.map(({ label, value, ours }, index) => {
    const y = top + HEADING - 10 + index * STEP
    const width = Math.max(1, Math.round((value / longest) * space))
    const weight = ours ? ' font-weight="bold"' : ''
    return [
      `<text x="${LABELS - 8}" y="${y + 14}" text-anchor="end"${weight}>${escapeXml(label)}</text>`,
      `<rect x="${LABELS}" y="${y}" width="${width}" height="${BAR}" fill="${ours ? '#00805e' : '#9aa4af'}"/>`,
      `<text x="${LABELS + width + 6}" y="${y + 14}"${weight}>${digits(value)}</text>`,
    ].join('\n')
  })
  const heading = `<text x="16" y="${top + 22}" font-size="15" font-weight="bold">${escapeXml(`${title}, ${unit}`)}</text>`
  return [heading, ...lines].join('\n')
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
