/** JSON and its values, without the losses of JavaScript's own: numbers keep their text, keys their order. */
export { Float, floatFrom, numberFrom, pythonFloat, wholeFrom } from './numbers.js';
export { entriesOf, isObject, jsonText, keysOf, objectFrom, plainValue } from './objects.js';
export { JsonFault, type ParseOptions, parseJson } from './parse.js';
