using Keyreeve.Core.Refusals;
using Xunit;

namespace Keyreeve.Tests.Core.Refusals;

public sealed class OutcomeTests
{
    [Fact]
    public void An_outcome_that_nobody_made_is_a_refusal()
    {
        Assert.Equal(RefusalCode.Unavailable, Samples.Refused(RefusalCode.Unavailable, default(Outcome<string>)).Code);
        Samples.Refused(RefusalCode.Unavailable, default(Outcome<bool>));
        Samples.Refused(RefusalCode.Unavailable, (Outcome<string>)(string)null!);
        Samples.Refused(RefusalCode.Unavailable, (Outcome<string>)(Refusal)null!);
    }

    [Fact]
    public void A_value_succeeds_and_a_refusal_does_not()
    {
        Assert.Equal("x", Samples.Granted<string>("x"));
        Assert.False(Samples.Granted<bool>(false));
        Outcome<bool> refused = Refusal.About(RefusalCode.Busy, "p", "please wait");
        Assert.False(refused.Succeeded(out var value, out var refusal));
        Assert.False(value);
        Assert.Equal((RefusalCode.Busy, "p", "please wait", "please wait"), (refusal.Code, refusal.Param, refusal.Peer, refusal.Operator));
    }
}
