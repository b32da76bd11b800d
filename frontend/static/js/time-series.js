// @ts-check
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { formatValue, isEmpty, toColumns, topOf } from "./series.js";

/** @typedef {import("./series.js").Series} Series */
/** @typedef {import("./series.js").Line} Line */

const HEIGHT = 240;
const REFRESH_MILLISECONDS = 30_000;
// A ceiling is grey; the accent is for what is held, the others for what else there is.
const CEILING = "--aid-line-strong";
const PALETTE = ["--aid-chart-1", "--aid-chart-3", "--aid-chart-2", "--aid-chart-4"];
// uPlot's own are American: per step of so many seconds, the label of a tick and what is added where the day changes.
const DAY = "\n{MM}-{DD}";
const TIME_TICKS = [
  [86400, "{MM}-{DD}", null, null, null, null, null, null, 1],
  [3600, "{HH}:{mm}", DAY, null, DAY, null, null, null, 1],
  [60, "{HH}:{mm}", DAY, null, DAY, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", DAY, null, DAY, null, null, null, 1],
];

/**
 * Draws the series at `src` as a chart in front of its content, which leads to the same data as a table.
 * Counts run along the left axis, shares along the right one. Redraws when the element or the theme changes, and fetches
 * again every half minute while the page is visible.
 */
class AidTimeSeries extends HTMLElement {
  connectedCallback() {
    this.stage = document.createElement("div");
    this.stage.className = "time-series-stage";
    this.prepend(this.stage);
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this);
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
    this.timer = setInterval(() => document.hidden || this.load(), REFRESH_MILLISECONDS);
    this.abort = new AbortController();
    this.say("Loading the chart …");
    this.load();
  }

  disconnectedCallback() {
    clearInterval(this.timer);
    this.abort?.abort();
    this.resize?.disconnect();
    this.theme?.disconnect();
    this.chart?.destroy();
    this.chart = undefined;
    this.stage?.remove();
  }

  async load() {
    const source = this.getAttribute("src");
    if (!source) return;
    try {
      const answer = await fetch(source, { headers: { Accept: "application/json" }, signal: this.abort?.signal });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      this.series = /** @type {Series} */ (await answer.json());
      this.draw();
    } catch (error) {
      if (this.abort?.signal.aborted) return;
      // What is drawn stays: old values are better than none, and the page says how old they are.
      if (!this.chart) this.say("The chart could not be loaded. It is asked for again in half a minute.");
    }
  }

  /** @param {string} words */
  say(words) {
    this.chart?.destroy();
    this.chart = undefined;
    const line = document.createElement("p");
    line.className = "time-series-message";
    line.textContent = words;
    this.stage?.replaceChildren(line);
  }

  draw() {
    const series = this.series;
    if (!series || !this.stage) return;
    if (isEmpty(series)) {
      this.say(`No data for this chart: ${series.message || "Nothing was recorded in this range."}`);
      return;
    }
    this.chart?.destroy();
    this.stage.replaceChildren();
    this.chart = new uPlot(this.options(series), toColumns(series), this.stage);
  }

  fit() {
    const width = this.clientWidth;
    if (this.chart && width > 0 && width !== this.chart.width) this.chart.setSize({ width, height: HEIGHT });
  }

  /** @param {Series} series */
  options(series) {
    const style = getComputedStyle(this);
    const ink = style.getPropertyValue("--tblr-secondary-color") || style.color;
    const grid = style.getPropertyValue("--tblr-border-color");
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
    const hasShares = series.lines.some((line) => line.unit === "ratio");
    return {
      width: this.clientWidth,
      height: HEIGHT,
      legend: { live: true },
      cursor: { points: { size: 6 } },
      scales: {
        count: { range: () => /** @type {[number, number]} */ ([0, topOf(series.lines)]) },
        ratio: { range: () => /** @type {[number, number]} */ ([0, 1]) },
      },
      axes: [
        { ...axis, grid: { show: false }, values: TIME_TICKS },
        { ...axis, scale: "count", size: 44 },
        ...(hasShares
          ? [
              {
                ...axis,
                scale: "ratio",
                side: 1,
                size: 52,
                grid: { show: false },
                values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) =>
                  ticks.map((tick) => formatValue(tick, "ratio")),
              },
            ]
          : []),
      ],
      series: [
        { value: (/** @type {unknown} */ _, /** @type {number | null} */ at) => (at === null ? "" : formatTime(at)) },
        ...this.colours(series.lines).map((name, index) => this.strokes(series.lines[index], style.getPropertyValue(name))),
      ],
    };
  }

  /**
   * The variable that colours each line.
   * @param {Line[]} lines
   */
  colours(lines) {
    let next = 0;
    return lines.map((line) => (line.style === "step" ? CEILING : PALETTE[next++ % PALETTE.length]));
  }

  /**
   * @param {Line} line
   * @param {string} colour
   */
  strokes(line, colour) {
    return {
      label: line.name,
      scale: line.unit,
      stroke: colour,
      width: line.style === "step" ? 1.5 : 2,
      // Colour never stands alone: what there is at most is dashed, what is held is an area, what works is a line.
      dash: line.style === "step" ? [6, 4] : undefined,
      fill: line.style === "area" ? `color-mix(in srgb, ${colour} 18%, transparent)` : undefined,
      points: { show: false },
      spanGaps: false,
      value: (/** @type {unknown} */ _, /** @type {number | null} */ value) => formatValue(value, line.unit),
    };
  }
}

/** @param {number} seconds */
function formatTime(seconds) {
  return new Date(seconds * 1000).toLocaleString(document.documentElement.lang || undefined, {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
}

customElements.define("aid-time-series", AidTimeSeries);
