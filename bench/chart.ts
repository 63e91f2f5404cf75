/**
 * Small charts side by side, with the same series in each, both axes logarithmic, as one SVG.
 *
 * @module
 */
import * as echarts from "echarts";

/** One chart. */
export interface Panel {
  title: string;
  /** Series by name: points of x and y. */
  series: ReadonlyMap<string, readonly (readonly [x: number, y: number])[]>;
}

/** All charts, and what is said above and below them. */
export interface Sheet {
  title: string;
  subtitle: string;
  panels: readonly Panel[];
  formatX(x: number): string;
}

/** Colors that people tell apart who see few of them (Okabe and Ito), and shapes for those who see none. */
const STYLES = [
  { color: "#d55e00", symbol: "circle" },
  { color: "#0072b2", symbol: "rect" },
  { color: "#009e73", symbol: "triangle" },
  { color: "#b0609a", symbol: "diamond" },
  { color: "#b58900", symbol: "emptyCircle" },
  { color: "#3a9bd9", symbol: "emptyRect" },
  { color: "#666666", symbol: "emptyTriangle" },
  { color: "#000000", symbol: "emptyDiamond" },
] as const;

const COLUMNS = 3;
const WIDTH = 1140;
const HEAD = 118;
const PANEL = { width: 300, height: 210, left: 64, gapX: 70, gapY: 84 };
const INK = "#333333";
const LINE = "#dddddd";

/** The SVG. The first series is drawn thicker than the others, and above them. */
export function drawSheet(sheet: Sheet): string {
  const rows = Math.ceil(sheet.panels.length / COLUMNS);
  const height = HEAD + rows * (PANEL.height + PANEL.gapY) - 20;
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption(optionOf(sheet));
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

function optionOf({ title, subtitle, panels, formatX }: Sheet): echarts.EChartsOption {
  const names = [...new Set(panels.flatMap(({ series }) => [...series.keys()]))];
  const place = (at: number) => ({
    left: PANEL.left + at % COLUMNS * (PANEL.width + PANEL.gapX),
    top: HEAD + 28 + Math.floor(at / COLUMNS) * (PANEL.height + PANEL.gapY),
  });
  const axis = {
    type: "log",
    axisLine: { lineStyle: { color: INK } },
    axisLabel: { color: INK, fontSize: 11 },
    splitLine: { show: true, lineStyle: { color: LINE } },
    minorSplitLine: { show: false },
  } as const;
  const xs = panels.flatMap(({ series }) => [...series.values()].flat().map(([x]) => x));
  return {
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: { fontFamily: "Helvetica, Arial, sans-serif" },
    title: [
      {
        ...{ text: title, subtext: subtitle, left: PANEL.left - 44, top: 14 },
        ...{ textStyle: { fontSize: 20, color: INK }, subtextStyle: { fontSize: 13, color: "#666666" } },
      },
      ...panels.map((panel, at) => ({
        ...{ text: panel.title, left: place(at).left - 6, top: place(at).top - 30 },
        textStyle: { fontSize: 13, fontWeight: "bold" as const, color: INK },
      })),
    ],
    legend: {
      ...{ data: names, left: PANEL.left - 44, top: 74, itemWidth: 30, itemGap: 18 },
      textStyle: { fontSize: 13, color: INK },
    },
    grid: panels.map((_, at) => ({ ...place(at), width: PANEL.width, height: PANEL.height })),
    xAxis: panels.map((_, at) => ({
      ...{ ...axis, gridIndex: at, min: Math.min(...xs), max: Math.max(...xs) },
      axisLabel: { ...axis.axisLabel, formatter: formatX },
    })),
    yAxis: panels.map(({ series }, at) => {
      const ys = [...series.values()].flat().map(([, y]) => y);
      const [low, high] = decades(Math.min(...ys), Math.max(...ys));
      const formatter = (y: number) => String(Number(y.toPrecision(3)));
      return { ...axis, gridIndex: at, min: low, max: high, axisLabel: { ...axis.axisLabel, formatter } };
    }),
    series: panels.flatMap(({ series }, at) =>
      [...series].map(([name, points]) => {
        const rank = names.indexOf(name);
        const { color, symbol } = STYLES[rank % STYLES.length]!;
        return {
          ...{ type: "line" as const, name, xAxisIndex: at, yAxisIndex: at, data: points.map((point) => [...point]) },
          ...{ symbol, symbolSize: rank === 0 ? 8 : 6, itemStyle: { color }, z: rank === 0 ? 5 : 3 },
          lineStyle: { color, width: rank === 0 ? 3 : 1.5 },
        };
      })
    ),
  };
}

/** Whole powers of ten around: a logarithmic axis has its labels there. */
function decades(low: number, high: number): [number, number] {
  return [10 ** Math.floor(Math.log10(low) + 1e-9), 10 ** Math.ceil(Math.log10(high) - 1e-9)];
}
