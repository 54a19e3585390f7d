// The body map, which shows the load of muscle groups.

import { one } from "./dom.js";
import { largest, muscleName, seconds, t } from "./format.js";

// Smallest load at the end of the scale; otherwise the first second of a session would fill it.
const MIN_SCALE_S = 10;
// Groups with less than this share of the scale are drawn faintly, as in reports.
const MIN_SHARE = 0.05;

export class Body {
  constructor(svg, scale) {
    // Parsed as XML, so that no script or style of the picture enters the page.
    const picture = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
    one("body").replaceChildren(document.importNode(picture, true));
    this.scale = scale;
    this.regions = [...one("body").querySelectorAll("[data-group]")];
    for (const theme of ["light", "dark"]) {
      one("ramp").style.setProperty(`--ramp-${theme}`, scale[theme].filter((_, at) => at % 4 === 0).join(", "));
    }
  }

  show(load) {
    const end_s = Math.max(MIN_SCALE_S, Math.ceil(Math.max(0, ...load.values()) / 5) * 5);
    for (const region of this.regions) {
      const { group, side } = region.dataset;
      const value = load.get(group);
      const known = value !== undefined;
      region.classList.toggle("muscle", !known);
      region.classList.toggle("load", known);
      region.classList.toggle("faint", known && value / end_s < MIN_SHARE);
      for (const theme of ["light", "dark"]) {
        const shades = this.scale[theme];
        region.style.setProperty(`--${theme}`, known ? shades[Math.round((value / end_s) * (shades.length - 1))] : "");
      }
      const label = known ? `${muscleName(group)}: ${seconds(value)}` : `${muscleName(group)}: ${t("no value")}`;
      if (region.dataset.label === label) continue;
      region.dataset.label = label;
      region.setAttribute("aria-label", `${label} (${t(side)})`);
      region.querySelector("title").textContent = label;
      region.querySelector("desc").textContent = known ? t("{side}; full at {span}", { side: t(side), span: `${end_s}\u00a0s` }) : `${t(side)}; ${t("nothing is known of it")}`;
    }
    one("scale-end").textContent = `${end_s} s`;
    const said = largest([...load], 0.05).map(([group, value]) => `${muscleName(group)} ${seconds(value)}`);
    one("load").textContent = said.length ? said.join(" · ") : t("Seconds at full activation; none yet.");
  }
}
