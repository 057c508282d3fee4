/** `--budget NAME=VALUE`: what an archive may cost at most. */
import type { Command } from 'commander';
import { DEFAULT_BUDGETS, type Budgets } from '../archive/budgets.ts';
import { all } from './options.ts';
import { bytes, expected, wholeNumber } from './option-values.ts';

export interface BudgetOptions {
  readonly budget?: readonly string[];
}

/** Of numbers, not of bytes. */
const COUNTS: readonly (keyof Budgets)[] = ['entries', 'depth', 'ratio'];

export function addBudgetFlag(command: Command): Command {
  return command.option(
    '--budget <name=value>',
    `what an archive may cost at most: ${Object.keys(DEFAULT_BUDGETS).join(', ')} (repeatable)`,
    all,
  );
}

export function budgetsOf({ budget = [] }: BudgetOptions): Budgets {
  const budgets: Record<keyof Budgets, number> = { ...DEFAULT_BUDGETS };
  for (const text of budget) {
    const [, name = '', value = ''] = /^(\w+)=(.+)$/.exec(text) ?? [];
    if (!isBudget(name))
      throw expected('--budget', `NAME=VALUE, of ${Object.keys(DEFAULT_BUDGETS).join(', ')}`, text);
    budgets[name] = COUNTS.includes(name)
      ? wholeNumber(`--budget ${name}`, value, 1)
      : Math.max(1, bytes(`--budget ${name}`, value));
  }
  return budgets;
}

const isBudget = (name: string): name is keyof Budgets => Object.hasOwn(DEFAULT_BUDGETS, name);
