// The contrast ratios of all text that is seen, as WCAG 2 defines them: [{text, ratio}].
() => {
  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (color) => {
    const [red, green, blue] = channels(color).map((value) => linear(value / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const isOpaque = (color) => (channels(color)[3] ?? 1) === 1;
  const ground = (element) => {
    for (let under = element; under; under = under.parentElement) {
      const { backgroundColor } = getComputedStyle(under);
      if (isOpaque(backgroundColor)) return backgroundColor;
    }
    throw new Error('nothing is behind it');
  };
  const shown = [...document.body.querySelectorAll('*')].filter((element) => element.checkVisibility());
  const ownText = (element) =>
    ((element.matches('textarea, select, [type=password]') && element.value) ||
      [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join('')).trim();
  return shown
    .filter((element) => ownText(element) && !(element.closest('svg, option, noscript')))
    .map((element) => {
      const [dark, light] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => a - b);
      return { text: ownText(element).slice(0, 40), ratio: (light + 0.05) / (dark + 0.05) };
    });
};
