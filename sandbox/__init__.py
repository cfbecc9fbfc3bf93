"""Everything outside the gateway, simulated: phones, carriers, aggregators, Telegram and operators, over real HTTP."""
