// Lays pages out in Chromium, on a phone, a tablet, a desk and on paper, in light and in dark, and
// prints a line for each fault: what is wider than the window, a figure that a line break parts, a
// violation of WCAG.
//
//     node check.mjs CHROMIUM PAGE...

import axe from 'axe-core';
import { chromium } from 'playwright-core';

const [, , executablePath, ...pages] = process.argv;
const quiet = ['no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run', 'disable-sync',
  'disable-background-networking', 'disable-component-update'];
const browser = await chromium.launch({ executablePath, args: quiet.map(option => `--${option}`) });
const page = await browser.newPage();
const told = fault => console.log(`${fault.file}, ${fault.at}: ${fault.what}`);

function measured() {
  const root = document.documentElement;
  const closed = element => element.closest('details:not([open])') && element.tagName !== 'SUMMARY';
  const seen = [...document.body.querySelectorAll('*')].filter(element => !closed(element));
  const faults = [];
  if (root.scrollWidth > root.clientWidth) {
    faults.push(`the page is ${root.scrollWidth - root.clientWidth} pixels too wide`);
  }
  for (const element of seen) {
    const { left, right } = element.getBoundingClientRect();
    if (left < -0.5 || right > root.clientWidth + 0.5) {
      faults.push(`${element.tagName} reaches out: ${element.textContent.slice(0, 40)}`);
    }
  }
  const figures = seen.filter(element => element.matches('.headlines span, td + td span'));
  for (const figure of figures) {
    if (figure.getClientRects().length > 1 && !figure.closest('td.words')) {
      faults.push(`the figure ${figure.textContent} is parted`);
    }
  }
  return faults.slice(0, 5);
}

for (const file of pages) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, media: 'screen' });
    await page.setViewportSize({ width: 1600, height: 1000 });
    await page.goto(`file://${file}`);
    for (const width of [360, 800, 1600]) {
      await page.setViewportSize({ width, height: 1000 });
      const at = `${width} pixels, ${colorScheme}`;
      (await page.evaluate(measured)).forEach(what => told({ file, at, what }));
    }
    await page.evaluate(() => document.querySelectorAll('details').forEach(d => { d.open = true; }));
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => axe.run());
    for (const { id, nodes } of violations) {
      told({ file, at: colorScheme, what: `${id}: ${nodes[0].html} (${nodes[0].failureSummary})` });
    }
  }
  await page.emulateMedia({ colorScheme: 'light', media: 'print' });
  await page.setViewportSize({ width: 690, height: 1000 });
  (await page.evaluate(measured)).forEach(what => told({ file, at: 'paper', what }));
}
await browser.close();
